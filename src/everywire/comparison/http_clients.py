"""Clients over plain HTTP: an event stream, and polls; httptools does the parsing.

Requests carry as few headers as will do. A browser adds some 500 bytes of its own to each, which
weighs on polls, for they are many.
"""

from __future__ import annotations

from urllib.parse import quote

import httptools
import msgspec

from everywire.client.sse import StreamParser
from everywire.comparison.clients import HOST, Hear, Item, WireClient, item_of, unheard


class _Page(msgspec.Struct):
    data: list[Item]
    last_id: int


_page = msgspec.json.Decoder(_Page).decode


class _HttpClient(WireClient):
    """What the two have in common that are plain HTTP."""

    accepts = ""

    def __init__(
        self,
        port: int,
        channel: str,
        hear: Hear = unheard,
        since: int | None = None,
        *,
        bare: bool = False,
    ) -> None:
        super().__init__(port, channel, hear, since, bare=bare)
        self._parser = httptools.HttpResponseParser(self)
        self._heads: dict[str, str] = {}

    def ask(self, target: str, headers: str = "") -> None:
        """Send a request with as few headers as will do."""
        self.send(
            f"GET {target} HTTP/1.1\r\nHost: {HOST}:{self.port}\r\nAccept: {self.accepts}\r\n"
            f"{headers}\r\n".encode()
        )

    def _read(self, data: bytes) -> None:
        self._parser.feed_data(data)

    # What the parser tells

    def on_message_begin(self) -> None:
        """The next answer begins."""
        self._heads = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header of the answer."""
        self._heads[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self.headers = self._heads
        self.status = self._parser.get_status_code()
        if self.status != 200:
            self.refuse(f"HTTP status {self.status}")


class EventStreamClient(_HttpClient):
    """An event stream."""

    accepts = "text/event-stream"

    def _begin(self) -> None:
        self._events = StreamParser()
        form = "data" if self.bare else "envelope"
        last = "" if self.position is None else f"Last-Event-ID: {self.position}\r\n"
        self.ask(f"/events?channel={quote(self.channel)}&format={form}", last)

    def on_body(self, body: bytes) -> None:
        """A piece of the stream."""
        for event in self._events.feed(body):
            if event.event == "everywire.position":
                self.position = int(event.last_id)
                self.is_ready()
            elif event.event == "message" and self.bare:
                self.hear(event.data.encode())
            elif event.event == "message":
                self.take(item_of(event.data))
        self.retry_ms = self._events.retry_ms


class PollClient(_HttpClient):
    """Polls, one after the other, on a connection that is kept.

    Attributes:
        again: Whether an answer is followed by the next poll.
        answers: How many came.
    """

    accepts = "application/json"
    again = True

    def _begin(self) -> None:
        self._body: list[bytes] = []
        self.answers = 0
        if self.position is not None:
            self.is_ready()
        self.poll()

    def poll(self) -> None:
        """Ask for what comes next."""
        since = "" if self.position is None else f"&since={self.position}"
        self.ask(f"/updates?channel={quote(self.channel)}{since}")

    def on_body(self, body: bytes) -> None:
        """A piece of an answer."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """An answer is whole."""
        body = b"".join(self._body)
        self._body.clear()
        if self.status != 200:
            return
        self.answers += 1
        page = _page(body)
        self.position = page.last_id
        self.is_ready()
        if self.again:
            self.poll()
        for item in page.data:
            self.hear(bytes(item.data))
