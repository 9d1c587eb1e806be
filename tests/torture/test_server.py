"""The server that is tormented: what it says of errors is kept, and it starts where it was."""

from __future__ import annotations

import pytest

from everywire.torture.server import ServerFailed, TorturedServer

SAID = """\
Everywire 0.1.0 serves http://127.0.0.1:8000
2026-11-24 13:24:47,207 INFO everywire.server: all is well
2026-11-24 13:24:47,207 ERROR everywire.log: an answer could not be delivered
Traceback (most recent call last):
  File "log.py", line 1, in answer
    sink.batch(messages)
KeyError: 'channel'
2026-11-24 13:24:48,207 INFO everywire.server: all is well again
""".splitlines(keepends=True)


def test_of_an_error_is_kept_what_it_is_and_how_it_ended() -> None:
    server = TorturedServer([])
    for line in SAID:
        server._note(line)
    assert list(server.complaints) == [
        "2026-11-24 13:24:47,207 ERROR everywire.log: an answer could not be delivered",
        "Traceback (most recent call last):",
        "KeyError: 'channel'",
    ]


def test_it_starts_again_on_its_port() -> None:
    with TorturedServer(["--log", "memory:"]) as server:
        port = server.port
        server.stop()
        server.start()
        assert server.port == port > 0
    assert not server.complaints


def test_one_that_does_not_start_is_an_error_that_says_why() -> None:
    with pytest.raises(ServerFailed, match="no-such-option"), TorturedServer(["--no-such-option"]):
        pass
