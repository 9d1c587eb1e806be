"""access.sources: keys in files and in the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from everywire.access.sources import MAX_SOURCE_BYTES, load_keys
from everywire.core.errors import UsageError

from .making import SECRET, public_pem


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "jwt.pem"
    path.write_text(public_pem("EdDSA"))
    (key,) = load_keys(str(path))
    assert (key.algorithm, key.where) == ("EdDSA", str(path))


def test_a_variable() -> None:
    (key,) = load_keys("env:JWT_KEY", {"JWT_KEY": SECRET})
    assert (key.verifying, key.where) == (SECRET.encode(), "env:JWT_KEY")


def test_a_variable_whose_line_breaks_are_written_out() -> None:
    text = public_pem("ES256").replace("\n", "\\n")
    (key,) = load_keys("env:JWT_KEY", {"JWT_KEY": text})
    assert key.algorithm == "ES256"
    (secret,) = load_keys("env:JWT_KEY", {"JWT_KEY": SECRET + "\\n"})
    assert secret.verifying == SECRET.encode() + b"\\n"


@pytest.mark.parametrize("environ", [{}, {"JWT_KEY": ""}, {"jwt_key": SECRET}])
def test_a_variable_that_is_not_set(environ: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="JWT_KEY is not set"):
        load_keys("env:JWT_KEY", environ)


def test_what_cannot_be_read_is_said_without_showing_it(tmp_path: Path) -> None:
    path = tmp_path / "key"
    for data, words in (
        (b"\xff" * 64, "cannot be read"),
        (b"x" * (MAX_SOURCE_BYTES + 1), f"more than {MAX_SOURCE_BYTES} bytes"),
        (b"short-one", "9 bytes; HS256 needs 32"),
    ):
        path.write_bytes(data)
        with pytest.raises(UsageError, match=words) as caught:
            load_keys(str(path))
        assert "short-one" not in str(caught.value)
    with pytest.raises(UsageError, match="cannot be read"):
        load_keys(str(tmp_path))
