"""Server-Sent Events, read as the HTML standard says (section 9.2.6), without I/O.

Bytes go in as they come, cut anywhere; whole events come out. An event that the stream's end cuts
off is never seen. What the standard leaves open is how long a line or an event may grow: here
there is a limit to both, since a server that is broken or hostile must not fill our memory.

Each character is looked at once, however the stream is cut: the parts of an unfinished line are
kept in a list and joined when it ends.
"""

from __future__ import annotations

import codecs
import re
from typing import Final, NamedTuple

MAX_EVENT: Final = 16 * 1024 * 1024
"""Characters of a line, and of an event's data. A message is 64 KiB by default, and at most six
times that where JSON escapes each character."""

_LINE_END = re.compile(r"\r\n|\r|\n")
_DIGITS = re.compile(r"[0-9]{1,9}")


class StreamTooLarge(Exception):
    """A line or an event is over the limit; nothing after it can be read."""


class StreamEvent(NamedTuple):
    """One event as it is dispatched.

    Attributes:
        event: Its type; ``message`` where it has none.
        data: Its data lines, joined by line feeds.
        last_id: The last event ID at its end.
    """

    event: str
    data: str
    last_id: str


class StreamParser:
    """Turns the bytes of a stream into its events.

    Args:
        limit: Characters of a line, and of an event's data.

    Attributes:
        last_id: The last event ID, as of the last event's end.
        retry_ms: The reconnection time that the stream set, in milliseconds, or None.
    """

    def __init__(self, limit: int = MAX_EVENT) -> None:
        self.last_id = ""
        self.retry_ms: int | None = None
        self._limit = limit
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._begun = False
        self._skip_line_feed = False
        self._part: list[str] = []
        self._part_size = 0
        self._event = ""
        self._data: list[str] = []
        self._data_size = 0
        self._id = ""

    def feed(self, chunk: bytes) -> list[StreamEvent]:
        """Take the next bytes.

        Returns:
            The events that they complete.

        Raises:
            StreamTooLarge: A line or an event is over the limit.
        """
        text = self._begin(self._decoder.decode(chunk))
        events: list[StreamEvent] = []
        *lines, rest = _LINE_END.split(text)
        for line in lines:
            self._hold(line)
            event = self._line("".join(self._part))
            self._part.clear()
            self._part_size = 0
            if event is not None:
                events.append(event)
        self._hold(rest)
        return events

    def _begin(self, text: str) -> str:
        """Take off what is not the text's own: a leading BOM, the second half of a CRLF."""
        if not text:
            return text
        if not self._begun:
            self._begun = True
            text = text.removeprefix("\ufeff")
        if self._skip_line_feed:
            text = text.removeprefix("\n")
        self._skip_line_feed = text.endswith("\r")
        return text

    def _hold(self, part: str) -> None:
        if not part:
            return
        self._part_size += len(part)
        if self._part_size > self._limit:
            raise StreamTooLarge(f"a line of the stream is over {self._limit} characters")
        self._part.append(part)

    def _line(self, line: str) -> StreamEvent | None:
        if not line:
            return self._dispatch()
        # A line that begins with a colon is a comment: a field without a name.
        name, _, value = line.partition(":")
        self._field(name, value.removeprefix(" "))
        return None

    def _field(self, name: str, value: str) -> None:
        if name == "data":
            self._data_size += len(value) + 1
            if self._data_size > self._limit:
                raise StreamTooLarge(f"an event of the stream is over {self._limit} characters")
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id":
            if "\0" not in value:
                self._id = value
        elif name == "retry" and _DIGITS.fullmatch(value):
            self.retry_ms = int(value)

    def _dispatch(self) -> StreamEvent | None:
        # The last event ID moves even where no event is dispatched.
        self.last_id = self._id
        event, data = self._event, self._data
        self._event, self._data, self._data_size = "", [], 0
        if not data:
            return None
        return StreamEvent(event or "message", "\n".join(data), self.last_id)
