"""uvicorn's own HTTP protocol, for one request at a time.

What is not for us, uvicorn serves: the pages, the API, a mounted application. When it has
answered, the connection's next bytes go back to our protocol, so that a browser that loaded a page
gets its event stream on the same connection at full speed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from uvicorn import Config
    from uvicorn.server import ServerState


class UvicornProtocol(HttpToolsProtocol):
    """Serves what it is given by `take`, then gives the connection back.

    Args:
        config: As uvicorn has it.
        server_state: As uvicorn has it.
        app_state: As uvicorn has it.
        loop: The loop.
        front: The class of the protocol to give the connection back to.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        loop: asyncio.AbstractEventLoop,
        front: Any,
    ) -> None:
        super().__init__(config, server_state, app_state, loop)
        self._front = front
        self._received = False

    def take(self, data: bytes) -> None:
        """Serve the request that begins with these bytes."""
        super().data_received(data)

    def on_message_complete(self) -> None:
        """The request has come whole."""
        self._received = True
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """More of the request, or a new one."""
        if self._served():
            self._give_back(data)
        else:
            super().data_received(data)

    def _served(self) -> bool:
        cycle: Any = self.cycle
        return (
            self._received and cycle is not None and cycle.response_complete and not self.pipeline
        )

    def _give_back(self, data: bytes) -> None:
        transport = self.transport
        self._unset_keepalive_if_required()
        self.connections.discard(self)  # pyright: ignore[reportArgumentType]
        front = self._front(
            config=self.config,
            server_state=self.server_state,
            app_state=self.app_state,
            _loop=self.loop,
        )
        transport.set_protocol(front)
        front.connection_made(transport)
        front.data_received(data)
