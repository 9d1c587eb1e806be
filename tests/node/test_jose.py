"""Tokens made by another library, npm's jose; and ours, checked by it."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from access.making import NOW, SECRET, Clock, KeyServer, key_for, public_jwk, verifier
from everywire.access.authenticator import Authenticator
from everywire.access.credentials import Credential
from everywire.access.issuers import Issuer, Terms
from everywire.access.key_sets import KeySet
from everywire.access.keys import ALGORITHMS, read_keys
from everywire.access.minting import mint
from everywire.access.tokens import TokenVerifier
from everywire.core.access import Grant, decide
from everywire.core.errors import RequestError

URL = "https://id.example/keys"
CLAIMS = {
    "iss": "id",
    "sub": "ada",
    "aud": ["us", "them"],
    "iat": NOW - 5,
    "exp": NOW + 60,
    "jti": "t1",
    "grants": {"chat.*": ["subscribe", "publish"]},
}
TERMS = Terms("id", ("us",))


def node(repository: Path, question: dict[str, Any]) -> dict[str, Any]:
    program = shutil.which("node")
    assert program, "node is needed for these tests: install Node 20 or later"
    here = repository / "tests" / "node"
    assert (here / "node_modules" / "jose").is_dir(), "run make test, or npm ci there"
    done = subprocess.run(
        [program, str(here / "tokens.mjs")],
        input=json.dumps(question),
        stdout=subprocess.PIPE,
        text=True,
        cwd=here,
        check=True,
        timeout=50,
    )
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    repository = Path(__file__).parent.parent.parent
    return node(repository, {"make": {"claims": CLAIMS, "secret": SECRET}})


def check(grant: Grant) -> None:
    assert (grant.user, grant.token_id, grant.expires_ms) == ("ada", "t1", (NOW + 61) * 1000)
    assert decide(grant, "publish", "chat.1") is None
    assert decide(grant, "history", "chat.1") is not None


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_its_tokens_count_by_its_key_set(made: dict[str, Any], algorithm: str) -> None:
    server = KeyServer()
    server.sets[URL] = made["jwks"]
    clock = Clock()
    keys = KeySet(URL, server.fetch, clock.monotonic)
    asks = Authenticator(clock.ms, tokens=TokenVerifier([Issuer(TERMS, (), keys)], clock.ms))
    check(asyncio.run(asks.authenticate(Credential(made["tokens"][algorithm], "header"))))
    assert server.asked == [URL]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_its_tokens_count_by_a_key_in_a_file(made: dict[str, Any], algorithm: str) -> None:
    text = SECRET if algorithm == "HS256" else made["pems"][algorithm]
    checker = verifier(*read_keys(text, "a file"), terms=TERMS)
    check(checker.verify(made["tokens"][algorithm]))
    wrong = verifier(*read_keys(text, "a file"), terms=Terms("id", ("others",)))
    with pytest.raises(RequestError, match="is for aud"):
        wrong.verify(made["tokens"][algorithm])


@pytest.mark.parametrize("name", ["unsecured", "crit"])
def test_what_must_not_count_does_not(made: dict[str, Any], name: str) -> None:
    checker = verifier(*read_keys(SECRET, "a file"), terms=TERMS)
    with pytest.raises(RequestError) as caught:
        checker.verify(made[name])
    assert caught.value.code == "bad_token"
    assert {"unsecured": "not signed", "crit": "'crit'"}[name] in caught.value.message


def test_it_takes_ours(repository: Path) -> None:
    tokens: dict[str, Any] = {}
    for algorithm in ALGORITHMS:
        key = key_for(algorithm)
        jwk = None if algorithm == "HS256" else public_jwk(algorithm)
        secret = f"{SECRET} 0" if algorithm == "HS256" else None
        tokens[algorithm] = {"token": mint(CLAIMS, key), "jwk": jwk, "secret": secret}
    seen = node(repository, {"check": {"tokens": tokens, "now": NOW}})
    assert seen == dict.fromkeys(ALGORITHMS, CLAIMS)
