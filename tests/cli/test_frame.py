"""How commands are found, how their help looks, how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import click
import pytest
from click.testing import Result

from everywire.cli import COMMANDS, cli
from everywire.cli.frame import Failure, NotReached, failure_of
from everywire.cli.frame import run as run_frame
from everywire.client.errors import GaveUp, Refused, Unreachable
from everywire.core.errors import LogRefused, UsageError

from .conftest import FakeHttp, Start

Run = Callable[..., Result]


def test_the_overview_shows_examples_and_commands(run: Run) -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert result.output.index("Examples:") < result.output.index("Commands:")
    for name, lazy in COMMANDS.items():
        assert f"  {name} " in result.output
        assert lazy.about in result.output


def test_the_overview_imports_no_command() -> None:
    code = (
        "import sys\n"
        "from everywire.cli import cli\n"
        "cli(['--help'], standalone_mode=False)\n"
        "heavy = {'uvicorn', 'websockets', 'apsw', 'starlette', 'msgspec', 'asyncio'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (0, b"")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_that_begins_with_examples(run: Run, name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    text = result.output
    assert text.index("Usage:") < text.index("Examples:") < text.index("Options:")
    assert text.index("Options:") < text.index("Exit codes:")
    assert "130" in text


@pytest.mark.parametrize("name", COMMANDS)
def test_the_overview_says_what_the_command_says(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)  # type: ignore[attr-defined]
    assert command is not None
    assert command.name == name
    assert command.short_help == COMMANDS[name].about


def test_no_command_is_help(run: Run) -> None:
    result = run()
    assert result.exit_code == 2
    assert "Commands:" in result.output


@pytest.mark.parametrize(
    ("arguments", "guess"),
    [
        (["tial", "a"], "No such command 'tial'. Did you mean tail?"),
        (["pubish", "a"], "Did you mean publish?"),
        (["xyzzy"], "There are: serve, demo, publish, tail, pipe"),
        (["tail", "a", "--sinse", "3"], "No such option '--sinse'. Did you mean --since?"),
        (["publish", "a", "--finl"], "Did you mean --final?"),
        (["--verson"], "Did you mean --version?"),
        (["pipe", "a", "--qqq"], "There are: --event, --tee"),
    ],
)
def test_what_is_mistyped_is_guessed(run: Run, arguments: list[str], guess: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert guess in result.stderr
    assert result.stdout == ""


def test_the_version(run: Run) -> None:
    assert run("--version").output.startswith("everywire, version ")


REFUSED = Refused("conflict", "the channel has ended", status=409)
AWAY = Unreachable("http://host", "nothing listens there")


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (REFUSED, 1, "refused: the channel has ended (conflict)"),
        (AWAY, 3, "cannot reach http://host: nothing listens there"),
        (GaveUp(AWAY, 10), 3, "gave up after 10 s: cannot reach http://host"),
        (GaveUp(REFUSED, 10), 1, "refused: gave up after 10 s: the channel has ended"),
        (LogRefused("the file is in use"), 1, "the file is in use"),
        (UsageError("give one"), 2, "give one"),
    ],
)
def test_errors_have_an_exit_code_and_words(error: Exception, code: int, words: str) -> None:
    failure = failure_of(error)
    assert failure is not None
    assert failure.exit_code == code
    assert words in failure.format_message()


@pytest.mark.parametrize("code", ["no_token", "conflict", "too_large", "unavailable", "http_404"])
def test_a_refusal_says_what_to_do(code: str) -> None:
    failure = failure_of(Refused(code, "x", status=400))
    assert isinstance(failure, Failure)
    assert failure.hint


def test_a_server_that_is_not_there_says_what_to_do() -> None:
    failure = failure_of(AWAY)
    assert isinstance(failure, NotReached)
    assert "everywire serve" in failure.hint
    assert "EVERYWIRE_URL" in failure.hint


def test_a_bug_is_not_hidden() -> None:
    assert failure_of(KeyError("x")) is None

    def bug() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        run_frame(bug)


def test_ctrl_c_has_its_exit_code() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(click.exceptions.Exit) as caught:
        run_frame(interrupted)
    assert caught.value.exit_code == 130


@pytest.mark.parametrize("arguments", [["publish", "a", "1"], ["tail", "a"], ["pipe", "a"]])
def test_a_server_that_is_not_there(start: Start, unused_port: int, arguments: list[str]) -> None:
    url = f"http://127.0.0.1:{unused_port}"
    process = start(*arguments, "--url", url, "--timeout", "0")
    out, err = process.communicate(timeout=30)
    assert process.returncode == 3
    assert out == b""
    assert f"cannot reach {url}: nothing listens there".encode() in err
    assert b"Traceback" not in err


@pytest.mark.parametrize("arguments", [["publish", "a", "1"], ["tail", "a"]])
def test_ctrl_c_ends_at_once(start: Start, unused_port: int, arguments: list[str]) -> None:
    process = start(*arguments, "--timeout", "300", "--url", f"http://127.0.0.1:{unused_port}")
    assert process.stderr is not None
    assert b"trying again" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == b""


def test_a_reader_that_has_had_enough_is_no_error(start: Start, http_server: FakeHttp) -> None:
    from client.fakes import answer_json, message

    messages = [message("a", number + 1, "x" * 1000) for number in range(1000)]
    http_server.play(answer_json(200, {"data": messages, "last_id": 1000}))
    process = start("tail", "a", "--wire", "poll", "--url", http_server.url)
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b'{"channel"')
    process.stdout.close()
    assert process.wait(timeout=30) == 0
    assert process.stderr is not None
    assert process.stderr.read() == b""


def test_the_module_is_the_command(start: Start) -> None:
    process = start("--help")
    out, _ = process.communicate(timeout=30)
    assert out.startswith(b"Usage: everywire ")
    assert process.returncode == 0


def test_help_goes_to_a_pager_that_is_closed(start: Start) -> None:
    read, write = os.pipe()
    os.close(read)
    process = start("--help", stdout=write)
    os.close(write)
    _, err = process.communicate(timeout=30)
    assert b"Traceback" not in err
