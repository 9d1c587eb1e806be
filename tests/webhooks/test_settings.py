"""webhooks.settings: who is asked and told what."""

from __future__ import annotations

from typing import Any

import pytest

from everywire.core.errors import UsageError
from everywire.server.configuration.schema import settings_of
from everywire.server.configuration.values import allowed, convert, shown
from everywire.webhooks.addresses import Reach
from everywire.webhooks.settings import EVENTS, HOOKS, Endpoint, WebhookSettings, check

from .making import OLD_SECRET, SECRET, endpoint


def why(name: str = "billing", **fields: Any) -> str:
    made = endpoint(**{"hooks": ("connect",), **fields})
    with pytest.raises(UsageError) as caught:
        check(WebhookSettings(endpoints={name: made}))
    return str(caught.value)


def test_what_is_right_passes() -> None:
    check(WebhookSettings())
    both = {
        "a": endpoint(hooks=HOOKS, fail_open=HOOKS, headers=("Cookie",), old_secret=OLD_SECRET),
        "b-2": endpoint(events=EVENTS, channels=("chat.*", "x")),
    }
    check(WebhookSettings(endpoints=both))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"url": ""}, "the address of a webhook is https://"),
        ({"url": "http://h/"}, "without TLS; use https://, or allow_http = true"),
        ({"secret": ""}, "24 to 64 bytes"),
        ({"old_secret": "whsec_short"}, "24 to 64 bytes"),
        ({"hooks": ()}, "it is asked and told nothing"),
        ({"fail_open": ("publish",)}, "fail_open names publish, which is not among its hooks"),
        ({"channels": ("a..b",)}, "channels: "),
        ({"headers": ("a b",)}, "'a b' is no name of a header"),
        ({"name": "Bad Name"}, "is no name for an endpoint"),
        ({"name": "a" * 33}, "is no name for an endpoint"),
    ],
)
def test_what_is_wrong_is_said(fields: dict[str, Any], words: str) -> None:
    assert words in why(**fields)


def test_it_is_said_of_whom_and_without_secrets() -> None:
    assert why(secret="whsec_oops").startswith("webhooks.endpoints.billing: ")
    assert "oops" not in why(secret="whsec_oops")


def test_what_an_endpoint_may_reach() -> None:
    assert endpoint().reach == Reach(False, False)
    assert endpoint(allow_private=True, allow_http=True).reach == Reach(True, True)


def test_both_secrets_sign() -> None:
    headers = endpoint(old_secret=OLD_SECRET).signer.headers("m", 1, b"")
    assert headers["webhook-signature"].count("v1,") == 2
    assert endpoint().signer.headers("m", 1, b"")["webhook-signature"].count("v1,") == 1


def test_the_machinery_of_settings_reads_them() -> None:
    """A table for each endpoint, as there is one for each rule."""
    found = {
        setting.path[-1]: setting
        for setting in settings_of(Endpoint, ("webhooks", "endpoints", "NAME"))
    }
    assert all(setting.about for setting in found.values())
    assert convert(found["hooks"], "connect, publish", text=True) == ("connect", "publish")
    assert convert(found["timeout"], "500ms", text=False) == 0.5
    assert allowed(found["hooks"]) == "a list, each one of connect, subscribe, publish"
    with pytest.raises(ValueError, match="one of connected, disconnected"):
        convert(found["events"], ["connect"], text=False)
    assert SECRET not in shown(found["secret"], SECRET)
    assert SECRET not in shown(found["old_secret"], SECRET)


def test_what_stands_for_all_is_described() -> None:
    flat = [field for field in settings_of(WebhookSettings) if field.path != ("endpoints",)]
    assert all(setting.about for setting in flat)
