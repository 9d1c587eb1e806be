"""What the server writes to its own log of faults that nobody injected."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager


class InjectedFault(Exception):
    """What the simulation lets fail; the server may complain of it."""


@contextmanager
def complaints_of_the_server() -> Generator[list[str]]:
    """What the server says of faults that nobody injected."""
    complaints: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            error = record.exc_info[1] if record.exc_info else None
            if record.levelno >= logging.ERROR and not isinstance(error, InjectedFault):
                complaints.append(f"{record.getMessage()}: {error!r}")

    logger, listener = logging.getLogger("everywire"), Listener()
    propagates = logger.propagate
    logger.addHandler(listener)
    logger.propagate = False
    try:
        yield complaints
    finally:
        logger.removeHandler(listener)
        logger.propagate = propagates
