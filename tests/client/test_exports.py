"""What the client offers by name."""

from __future__ import annotations

import inspect

import everywire.client


def test_every_name_is_there_and_explained() -> None:
    assert everywire.client.__all__ == sorted(everywire.client.__all__)
    for name in everywire.client.__all__:
        offered = getattr(everywire.client, name)
        if name != "Wire":
            assert offered.__module__.startswith("everywire.client.")
            assert inspect.getdoc(offered)
