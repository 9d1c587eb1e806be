"""What all commands share: how they are found, how their help looks, how they end.

Commands are imported when they are called, so that ``everywire --help`` does not load a server.
What the overview says of each stands here beside its name; a test holds both together.

Help begins with examples. A mistyped command or flag is guessed. How a command ends is decided in
one place, `run`: an exit code, and words on stderr that say what went wrong and what to do next.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from typing import Any, Final, NamedTuple

import click

OK: Final = 0
REFUSED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
INTERRUPTED: Final = 130

EXIT_CODES: Final = (
    ("0", "it was done"),
    ("1", "the server refused it, or something failed; stderr says what"),
    ("2", "the command line is not right"),
    ("3", "the server could not be reached"),
    ("130", "Ctrl-C"),
)


class Lazy(NamedTuple):
    """A command that is not imported yet.

    Attributes:
        where: ``module:name`` of the click command.
        about: What the overview says of it.
    """

    where: str
    about: str


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called.

    Args:
        lazy: The commands, by name, in the order of the overview.
        examples: Shown first in the help.
    """

    def __init__(
        self, *args: Any, lazy: Mapping[str, Lazy], examples: Sequence[str] = (), **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = dict(lazy)
        self.examples = tuple(examples)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the overview."""
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        lazy = self.lazy.get(cmd_name)
        if lazy is None:
            return None
        module, _, name = lazy.where.partition(":")
        return getattr(import_module(module), name)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Guess a flag that there is not."""
        with _guessing_flags(self, ctx):
            return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; guess where there is none of that name."""
        name = args[0]
        if name not in self.lazy and not name.startswith("-"):
            near = get_close_matches(name, self.lazy, n=1, cutoff=0.5)
            guess = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(self.lazy)}."
            raise click.UsageError(f"No such command {name!r}. {guess}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.about) for name, lazy in self.lazy.items()])

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Examples first."""
        write_examples(formatter, self.examples)
        super().format_help_text(ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Exit codes last."""
        write_exit_codes(formatter)

    def invoke(self, ctx: click.Context) -> Any:
        """Call the command and bring it to a proper end."""
        return run(lambda: super(LazyGroup, self).invoke(ctx))


class ExampleCommand(click.Command):
    """A command whose help begins with examples and ends with the exit codes.

    Args:
        examples: Command lines, with a comment after ``#`` where one helps.
    """

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Guess a flag that there is not."""
        with _guessing_flags(self, ctx):
            return super().parse_args(ctx, args)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Examples first."""
        write_examples(formatter, self.examples)
        super().format_help_text(ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Exit codes last."""
        write_exit_codes(formatter)


@contextmanager
def _guessing_flags(command: click.Command, ctx: click.Context) -> Generator[None]:
    """Name the nearest flag where there is none of that name."""
    try:
        yield
    except click.NoSuchOption as error:
        flags = [flag for param in command.get_params(ctx) for flag in param.opts]
        flags = [flag for flag in flags if flag.startswith("--")]
        near = get_close_matches(error.option_name, flags, n=1, cutoff=0.5)
        guess = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(flags)}."
        raise click.UsageError(f"No such option {error.option_name!r}. {guess}", ctx) from None


def write_examples(formatter: click.HelpFormatter, examples: Sequence[str]) -> None:
    """Write a section of command lines, as they are."""
    if not examples:
        return
    formatter.write_paragraph()
    formatter.write_heading("Examples")
    formatter.indent()
    for example in examples:
        formatter.write(f"{'':>{formatter.current_indent}}{example}\n")
    formatter.dedent()


def write_exit_codes(formatter: click.HelpFormatter) -> None:
    """Write the section on exit codes."""
    with formatter.section("Exit codes"):
        formatter.write_dl(EXIT_CODES)


class Failure(click.ClickException):
    """An end that is not a good one.

    Args:
        message: What went wrong.
        hint: What to do next.
    """

    exit_code = REFUSED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def show(self, file: Any = None) -> None:
        """Say so on stderr."""
        click.echo(f"everywire: {self.format_message()}", err=True)
        if self.hint:
            click.echo(self.hint, err=True)


class NotReached(Failure):
    """The server could not be reached."""

    exit_code = UNREACHABLE


class Interrupted(Failure):
    """Ctrl-C came, and not all was done."""

    exit_code = INTERRUPTED


def run(command: Callable[[], Any]) -> Any:
    """Run a command and turn what it raises into an exit code and words.

    Raises:
        ClickException: It failed; click shows it and exits with its code.
        Exit: It ended with another code than 0.
    """
    try:
        try:
            return command()
        finally:
            if sys.stdout:
                sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads our output has had enough. Nothing is wrong, and nobody wants to hear of it.
        _give_stdout_away()
        raise click.exceptions.Exit(OK) from None
    except (KeyboardInterrupt, click.exceptions.Abort):
        raise click.exceptions.Exit(INTERRUPTED) from None
    except (click.ClickException, click.exceptions.Exit):
        raise
    except Exception as error:
        failure = failure_of(error)
        if failure is None:
            raise
        raise failure from error


def failure_of(error: Exception) -> click.ClickException | None:
    """What an error of ours is to a user; None for one that is not ours."""
    from everywire.core.errors import EverywireError, UsageError

    if isinstance(error, UsageError):
        return click.UsageError(str(error), click.get_current_context(silent=True))
    if not isinstance(error, EverywireError):
        return None
    from everywire.client.errors import GaveUp, Refused, Unreachable

    words, last = str(error), error.last if isinstance(error, GaveUp) else error
    if isinstance(last, Unreachable):
        return NotReached(words, _UNREACHABLE)
    if isinstance(last, Refused):
        return Failure(f"refused: {words}", _HINTS.get(last.code, ""))
    return Failure(words)


_UNREACHABLE: Final = (
    "Is it running? Start one with: everywire serve\n"
    "If it is elsewhere, say where: --url http://HOST:PORT, or EVERYWIRE_URL."
)

_WHO_WE_ARE: Final = "Give a valid token in EVERYWIRE_TOKEN, or in a file: --token-file PATH."

_HINTS: Final = {
    "no_token": _WHO_WE_ARE,
    "bad_token": _WHO_WE_ARE,
    "token_expired": _WHO_WE_ARE,
    "forbidden": "Another channel, another token, or, on the server, allowed_hosts may be needed.",
    "conflict": "The channel may have ended; a new run wants a channel of its own.",
    "too_large": "Send less in a message, or raise the server's limit.",
    "rate_limited": "Send more slowly, or try again later.",
    "unavailable": "The server cannot take messages now; its own output says why.",
    "http_404": "That URL answers, but not as an Everywire server. Is a path missing in --url?",
}


def _give_stdout_away() -> None:
    """Nothing that is still in a buffer shall fail once more when the interpreter ends."""
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a descriptor is wanted
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
