"""Reading a log over HTTP, past the proxy: where it stands, and what it keeps."""

from __future__ import annotations

import msgspec

from everywire.client.address import Address
from everywire.client.errors import refusal
from everywire.client.http import HttpClient
from everywire.torture.history import Kept, digest, label_of


class _Message(msgspec.Struct):
    id: int
    data: msgspec.Raw


class _Page(msgspec.Struct):
    last_id: int
    data: list[_Message] = []


class LogReader:
    """Asks a server what its log holds.

    Args:
        address: The server.
    """

    def __init__(self, address: Address) -> None:
        self._address = address

    def head(self, channel: str) -> int:
        """Where the log stands.

        Raises:
            Unreachable: Nobody answers.
            Refused: The server says no.
        """
        return self._page("/updates", ("channel", channel)).last_id

    def kept(self, channel: str) -> Kept:
        """All that it holds of a channel; raises as `head`."""
        messages: list[tuple[int, str, int]] = []
        since = 0
        while data := self._messages(channel, since).data:
            since = data[-1].id
            messages += [
                (m.id, label_of(msgspec.json.decode(m.data)), digest(bytes(m.data))) for m in data
            ]
        return Kept(channel, tuple(messages))

    def _messages(self, channel: str, since: int) -> _Page:
        path = f"/channels/{channel}/messages"
        return self._page(path, ("limit", "1000"), ("since", str(since)))

    def _page(self, path: str, *query: tuple[str, str]) -> _Page:
        with HttpClient(self._address) as client:
            answer = client.request("GET", self._address.target(path, query))
        if answer.status != 200:
            raise refusal(answer.status, answer.headers, answer.body)
        return msgspec.json.decode(answer.body, type=_Page)
