"""access.settings: who comes in, from a few settings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from everywire.access.credentials import Credential
from everywire.access.key_file import KeyFile
from everywire.access.settings import AccessSettings, IssuerSettings, open_access
from everywire.core.access import OPEN, decide
from everywire.core.errors import RequestError, UsageError

from .making import NOW, SECRET, Clock, KeyServer, key_for, token

PUBLIC = {"news.*": ("subscribe",)}


@pytest.fixture
def key(tmp_path: Path) -> str:
    path = tmp_path / "jwt.key"
    path.write_text(f"{SECRET} 0\n")
    return str(path)


def test_on_loopback_it_is_open_without_keys() -> None:
    asks = open_access(AccessSettings(), on_loopback=True)
    assert asks.recall(None) is OPEN


def test_elsewhere_it_is_refused_unless_that_is_meant() -> None:
    with pytest.raises(UsageError, match="--open"):
        open_access(AccessSettings(), on_loopback=False)
    with pytest.raises(UsageError, match="--open"):
        open_access(AccessSettings(public=PUBLIC), on_loopback=False)
    assert open_access(AccessSettings(open=True), on_loopback=False).recall(None) is OPEN


@pytest.mark.parametrize("on_loopback", [True, False])
def test_with_keys_everybody_has_to_show_one(key: str, on_loopback: bool) -> None:
    settings = AccessSettings((IssuerSettings((key,)),))
    asks = open_access(settings, on_loopback=on_loopback, clock_ms=Clock().ms)
    with pytest.raises(RequestError, match="a token is needed"):
        asks.recall(None)
    grant = asks.recall(Credential(token(key_for("HS256")), "query"))
    assert grant is not None
    assert grant.user == "ada"


def test_a_file_of_api_keys_that_is_empty_is_a_key_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "everywire.keys"
    asks = open_access(AccessSettings(api_keys=str(path)), on_loopback=True)
    with pytest.raises(RequestError, match="a token is needed"):
        asks.recall(None)
    text = KeyFile(path).change(lambda ring: ring.create("backend", {"**": ["publish"]}, 0))
    assert asks.reload()
    grant = asks.recall(Credential(text, "header"))
    assert grant is not None
    assert grant.key == "backend"


def test_some_channels_may_be_public(key: str) -> None:
    settings = AccessSettings((IssuerSettings((key,)),), public=PUBLIC)
    grant = open_access(settings, on_loopback=False).recall(None)
    assert grant is not None
    assert decide(grant, "subscribe", "news.1") is None
    refused = decide(grant, "subscribe", "chat.1")
    assert refused is not None
    assert refused.code == "no_token"


def test_the_terms_of_an_issuer_are_its_settings(key: str) -> None:
    issuer = IssuerSettings(
        (key,),
        issuer="id",
        audiences=("us",),
        leeway=30,
        require_expiry=True,
        grants_claim="may",
        user_prefix="id:",
        grants={"lobby": ("subscribe",)},
    )
    clock = Clock(NOW + 89)
    asks = open_access(AccessSettings((issuer,)), on_loopback=True, clock_ms=clock.ms)
    claims = {"iss": "id", "aud": "us", "may": {"a": ["publish"]}}
    grant = asks.recall(Credential(token(key_for("HS256"), claims), "header"))
    assert grant is not None
    assert (grant.user, grant.expires_ms) == ("id:ada", (NOW + 90) * 1000)
    assert dict(grant.allowed.patterns) == {
        "a": frozenset(("publish",)),
        "lobby": frozenset(("subscribe",)),
    }
    for change in ({"iss": "other"}, {"aud": "them"}, {"exp": ...}):
        with pytest.raises(RequestError):
            asks.recall(Credential(token(key_for("HS256"), {**claims, **change}), "header"))


def test_keys_at_an_address_are_asked_for_when_they_are_needed() -> None:
    server = KeyServer()
    issuer = IssuerSettings(("https://id.example/keys",), issuer="id")
    asks = open_access(
        AccessSettings((issuer,)), on_loopback=True, clock_ms=Clock().ms, fetch=server.fetch
    )
    assert asks.recall(Credential(token(key_for("ES256", "k1")), "header")) is None
    assert server.asked == []


def test_settings_that_cannot_be_are_refused(key: str) -> None:
    for issuer, words in (
        (IssuerSettings(()), "needs a source of keys"),
        (IssuerSettings(("https://a.example", "https://b.example"), "id"), "at one address"),
        (IssuerSettings(("https://a.example",)), "needs its name"),
        (IssuerSettings(("http://a.example",), "id"), "https:// is needed"),
        (IssuerSettings(("nowhere.key",)), "cannot be read"),
        (IssuerSettings(("env:EVERYWIRE_NOT_SET",)), "is not set"),
        (IssuerSettings((key,), grants={"a": ("all",)}), "is no action"),
    ):
        with pytest.raises((UsageError, RequestError), match=words):
            open_access(AccessSettings((issuer,)), on_loopback=True)
    odd = AccessSettings((IssuerSettings((key,)),), public={"a": ("all",)})
    with pytest.raises(RequestError, match="is no action"):
        open_access(odd, on_loopback=True)


def test_a_server_without_tokens_does_not_load_what_checks_them() -> None:
    code = (
        "import sys\n"
        "from everywire.access.settings import *\n"
        "import everywire.access.credentials\n"
        "open_access(AccessSettings(), on_loopback=True).recall(None)\n"
        "sys.exit(', '.join({'jwt', 'cryptography'} & set(sys.modules)) or 0)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (0, b"")
