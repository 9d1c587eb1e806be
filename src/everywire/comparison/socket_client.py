"""A client over WebSocket; websockets' own protocol object, without I/O, does the framing."""

from __future__ import annotations

from urllib.parse import quote

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.uri import parse_uri

from everywire.comparison.clients import HOST, Hear, WireClient, item_of, unheard


class WebSocketClient(WireClient):
    """A WebSocket: JSON frames, or the bare data.

    Attributes:
        binary: Bytes of each binary frame that came.
    """

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
        self.binary: list[bytes] = []
        query = f"?format=data&channel={quote(channel)}" if bare else ""
        self._protocol = ClientProtocol(parse_uri(f"ws://{HOST}:{port}/ws{query}"))

    def _begin(self) -> None:
        self._protocol.send_request(self._protocol.connect())
        self._flush()

    def _read(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                self._answered(event)
            elif isinstance(event, Frame):
                self._frame(event)
        self._flush()

    def _answered(self, response: Response) -> None:
        self.status = response.status_code
        self.headers = {name.lower(): value for name, value in response.headers.raw_items()}
        if self._protocol.handshake_exc is not None:
            self.refuse(f"no WebSocket: HTTP status {self.status}")
        elif self.bare:
            self.is_ready()
        elif self.channel:
            since = "" if self.position is None else f',"since":{self.position}'
            self.send_text(f'{{"type":"subscribe","channel":"{self.channel}"{since}}}'.encode())
        else:
            self.is_ready()

    def _frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.BINARY:
            self.binary.append(bytes(frame.data))
        elif frame.opcode is not Opcode.TEXT:
            return
        if self.bare:
            self.hear(bytes(frame.data))
            return
        item = item_of(frame.data)
        if item.type == "message":
            self.take(item)
        elif item.type == "subscribed":
            if self.position is None:
                self.position = item.last_id
            self.is_ready()

    def send_text(self, data: bytes) -> None:
        """Send a frame."""
        self._protocol.send_text(data)
        self._flush()

    def publish(self, channel: str, data: bytes, encoding: str = "") -> None:
        """Publish up this connection.

        Args:
            channel: Where to.
            data: JSON; a string where there is an encoding.
            encoding: ``text`` or ``base64``.
        """
        said = f',"encoding":"{encoding}"' if encoding else ""
        head = f'{{"type":"publish","channel":"{channel}"{said},"data":'.encode()
        self.send_text(head + data + b"}")

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data and self.connected:
                self.send(data)
