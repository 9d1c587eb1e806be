"""`everywire token`: tokens made, and looked at."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from click.testing import Result

from access.making import key_for, private_pem, public_jwk, public_pem
from access.making import token as made_token

Run = Callable[..., Result]

SECRET = "a secret of more than thirty-two bytes 0"


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EVERYWIRE_JWT_KEY", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def key(tmp_path: Path) -> str:
    path = tmp_path / "jwt.key"
    path.write_text(SECRET + "\n")
    return str(path)


@pytest.fixture
def mint(run: Run, key: str) -> Callable[..., str]:
    def mint(*arguments: str) -> str:
        result = run("token", "mint", "--key", key, *arguments)
        assert result.exit_code == 0, result.stderr
        return result.stdout.strip()

    return mint


def claims_of(text: str) -> dict[str, Any]:
    return jwt.decode(text, SECRET, algorithms=["HS256"], options={"verify_aud": False})


def inspect(run: Run, text: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    result = run("token", "inspect", "--json", *arguments, input=text.encode())
    return result.exit_code, json.loads(result.stdout)


# mint


def test_a_token_and_nothing_else_goes_to_stdout(run: Run, key: str) -> None:
    result = run(
        "token", "mint", "--key", key, "--sub", "ada", "--grant", "chat.*=subscribe,publish"
    )
    assert result.exit_code == 0
    assert result.stdout.count("\n") == 1
    claims = claims_of(result.stdout.strip())
    assert (claims["sub"], claims["grants"]) == ("ada", {"chat.*": ["subscribe", "publish"]})
    assert claims["exp"] - claims["iat"] == 3600
    assert len(claims["jti"]) >= 16
    assert "signed with the HS256 key of" in result.stderr
    assert SECRET not in result.stderr


def test_all_that_can_be_said(mint: Callable[..., str]) -> None:
    text = mint(
        "--sub=ada", "--issuer=id", "--audience=us", "--expires=90s", "--kid=k7",
        "--grant=a=history", "--grant=a=publish,history", "--grant=b=c=presence",
    )  # fmt: skip
    claims = claims_of(text)
    assert (claims["iss"], claims["aud"]) == ("id", "us")
    assert claims["exp"] - claims["iat"] == 90
    assert claims["grants"] == {"a": ["history", "publish"], "b=c": ["presence"]}
    assert jwt.get_unverified_header(text)["kid"] == "k7"


def test_every_token_has_another_jti(mint: Callable[..., str]) -> None:
    assert len({claims_of(mint())["jti"] for _ in range(5)}) == 5


def test_json_has_the_token_and_what_it_says(run: Run, key: str) -> None:
    answer = json.loads(run("token", "mint", "--key", key, "--sub", "ada", "--json").stdout)
    assert claims_of(answer["token"]) == answer["claims"]


def test_a_key_of_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERYWIRE_JWT_KEY", SECRET)
    assert claims_of(run("token", "mint").stdout.strip())
    monkeypatch.setenv("OTHER", private_pem("ES256"))
    result = run("token", "mint", "--key", "env:OTHER", "--sub", "ada")
    assert jwt.decode(result.stdout.strip(), public_pem("ES256"), algorithms=["ES256"])


def test_one_key_of_a_set(run: Run, tmp_path: Path) -> None:
    keys = [public_jwk("ES256", "public"), {"kty": "oct", "k": "eA" * 30, "kid": "secret"}]
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": keys}))
    text = run("token", "mint", "--key", str(path)).stdout.strip()
    assert jwt.get_unverified_header(text) == {"alg": "HS256", "kid": "secret", "typ": "JWT"}
    result = run("token", "mint", "--key", str(path), "--kid", "public")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "holds a public key" in result.stderr
    result = run("token", "mint", "--key", str(path), "--kid", "other")
    assert "has no key 'other'; there are: public, secret" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--grant", "chat.*"], "a grant is PATTERN=ACTION,…"),
        (["--grant", "chat.*=read"], "'read' is no action; there are subscribe, publish"),
        (["--grant", "chat..x=publish"], "is not a channel or pattern"),
        (["--grant", "@me=publish"], "nothing can be granted on '@me'"),
        (["--sub", "x" * 201], "the token's sub is not a string of 1 to 200 bytes"),
        (["--expires", "soon"], "'soon' is not a duration"),
        (["--expires", "0"], "'0' is not a duration"),
        (["--subject", "ada"], "Did you mean --sub?"),
    ],
)
def test_what_cannot_be_is_a_usage_error(
    run: Run, key: str, arguments: list[str], words: str
) -> None:
    result = run("token", "mint", "--key", key, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr


def test_without_a_key_it_says_how_to_make_one(run: Run) -> None:
    result = run("token", "mint")
    assert result.exit_code == 2
    assert "--key PATH, or its text in EVERYWIRE_JWT_KEY" in result.stderr
    assert "openssl rand -hex 32 > jwt.key" in result.stderr


def test_a_token_that_grants_nothing_is_said_to(run: Run, key: str) -> None:
    assert "nothing is granted by it" in run("token", "mint", "--key", key).stderr


# inspect


def test_a_good_token(run: Run, key: str, mint: Callable[..., str]) -> None:
    text = mint("--sub=ada", "--grant=chat.*=subscribe")
    code, found = inspect(run, text, "--key", key, "--can", "subscribe", "chat.1")
    assert code == 0
    assert (found["valid"], found["signature"]) == (True, "good")
    assert found["claims"]["sub"] == "ada"
    assert found["can"] == [
        {
            "action": "subscribe",
            "channel": "chat.1",
            "allowed": True,
            "by": "chat.*",
            "why": "'chat.*' grants it",
        }
    ]


def test_why_not(run: Run, key: str, mint: Callable[..., str]) -> None:
    text = mint("--sub=ada", "--grant=chat.*=subscribe")
    result = run(
        "token", "inspect", "--key", key, "--can", "publish", "chat.1",
        "--can", "subscribe", "chat.**", "--can", "subscribe", "@user.ada", input=text.encode(),
    )  # fmt: skip
    assert result.exit_code == 1
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0] == "counts     yes"
    assert lines[1] == f"signature  good, by the HS256 key of {key}"
    assert lines[-3:] == [
        "can        publish chat.1: no, 'chat.*' covers it, and grants subscribe, but not publish",
        "           subscribe chat.**: no, 'chat.**' asks for more than 'chat.*', "
        "which one grant has to cover",
        "           subscribe @user.ada: yes, it is the user's own channel",
    ]


def test_an_expired_token(run: Run, key: str) -> None:
    now = int(time.time())
    text = made_token(key_for("HS256"), {"exp": now - 7300, "nbf": now - 9000})
    code, found = inspect(run, text, "--key", key, "--can", "subscribe", "a")
    assert (code, found["valid"], found["signature"]) == (1, False, "good")
    assert found["code"] == "token_expired"
    assert found["problem"].startswith("the token expired 2 h 1 min ago, at ")
    assert found["can"] == []
    shown = run("token", "inspect", "--key", key, input=text.encode()).stdout
    assert "counts     no: the token expired 2 h 1 min ago" in shown
    assert ", 2 h 1 min ago\n" in shown


def test_a_forged_token_is_shown_and_not_believed(run: Run, key: str) -> None:
    text = made_token(key_for("HS256", which=1), {"sub": "root"})
    result = run("token", "inspect", "--key", key, input=text.encode())
    assert result.exit_code == 1
    assert "counts     no: the token's signature is not by any key" in result.stdout
    assert "sub        root (unverified)" in result.stdout


def test_without_a_key_nothing_is_believed(run: Run, mint: Callable[..., str]) -> None:
    result = run("token", "inspect", input=mint("--sub=ada").encode())
    assert result.exit_code == 1
    assert "counts     unknown" in result.stdout
    assert "sub        ada (unverified)" in result.stdout
    assert "was not checked\nGive a key: --key SOURCE." in result.stderr


def test_for_whom_and_from_whom(run: Run, key: str, mint: Callable[..., str]) -> None:
    text = mint("--issuer=id", "--audience=us")
    arguments = ["--key", key, "--issuer", "id", "--audience", "them", "--audience", "us"]
    assert inspect(run, text, *arguments)[0] == 0
    code, found = inspect(run, text, "--key", key, "--issuer", "id")
    assert (code, found["code"]) == (1, "bad_token")
    assert "no audience is set here" in found["problem"]
    code, found = inspect(run, text, "--key", key, "--issuer", "other", "--audience", "us")
    assert "the token's iss is 'id'" in found["problem"]


def test_where_the_token_comes_from(
    run: Run, key: str, mint: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "ada.token"
    path.write_text(mint("--sub=ada") + "\n")
    _, found = inspect(run, "", "--key", key, "--token-file", str(path))
    assert found["claims"]["sub"] == "ada"
    monkeypatch.setenv("EVERYWIRE_TOKEN", mint("--sub=bob"))
    _, found = inspect(run, "", "--key", key)
    assert found["claims"]["sub"] == "bob"
    monkeypatch.delenv("EVERYWIRE_TOKEN")
    result = run("token", "inspect", "--key", key, input=b"\n")
    assert result.exit_code == 2
    assert "there is no token" in result.stderr


def test_what_is_no_token(run: Run, key: str) -> None:
    code, found = inspect(run, "hello", "--key", key)
    assert (code, found["code"]) == (1, "bad_token")
    assert "the token is no JWT" in found["problem"]
    assert "claims" not in found


def test_what_a_token_says_is_shown_and_not_obeyed_by_a_terminal(run: Run, key: str) -> None:
    text = made_token(key_for("HS256", which=1), {"sub": "\x1b[31mred\n\x07"})
    result = run("token", "inspect", "--key", key, input=text.encode())
    assert "\x1b" not in result.stdout
    assert "\\x1b[31mred\\n\\x07 (unverified)" in result.stdout


def test_a_question_has_to_be_one(run: Run, key: str) -> None:
    for asked in (("read", "a"), ("subscribe", "a..b")):
        result = run("token", "inspect", "--key", key, "--can", *asked, input=b"x")
        assert (result.exit_code, result.stdout) == (2, "")


def test_an_api_key(run: Run, tmp_path: Path) -> None:
    text = run("key", "create", "backend", "--grant", "**=publish").stdout
    code, found = inspect(run, text, "--can", "publish", "chat.1")
    assert (code, found["claims"]["key"]) == (0, "backend")
    moved = tmp_path / "moved.keys"
    (tmp_path / "everywire.keys").rename(moved)
    assert inspect(run, text)[1]["code"] == "bad_token"
    assert inspect(run, text, "--api-keys", str(moved))[0] == 0


# the group


def test_a_mistyped_command_is_guessed(run: Run) -> None:
    result = run("token", "mnt")
    assert result.exit_code == 2
    assert "Did you mean mint?" in result.stderr


@pytest.mark.parametrize("name", ["mint", "inspect"])
def test_each_has_help_that_begins_with_examples(run: Run, name: str) -> None:
    text = run("token", name, "--help").output
    assert text.index("Usage:") < text.index("Examples:") < text.index("Options:")
    assert text.index("Options:") < text.index("Exit codes:")
