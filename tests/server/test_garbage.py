"""server.garbage: what is there before the server starts is not looked at again."""

from __future__ import annotations

import gc

from everywire.server.garbage import THRESHOLDS, settle_garbage


def test_what_is_there_is_frozen_and_what_comes_later_is_not() -> None:
    before = gc.get_threshold()
    try:
        settle_garbage()
        frozen = gc.get_freeze_count()
        assert frozen > 0
        later: list[object] = []
        later.append(later)
        assert gc.is_tracked(later)
        assert any(found is later for found in gc.get_objects())
        assert gc.get_threshold() == THRESHOLDS
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
