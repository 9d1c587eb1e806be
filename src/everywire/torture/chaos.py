"""A proxy on loopback that does to connections what networks do to them.

What happens to a connection is in its `Plan`, made by the caller, who may draw it from a seed; or
the caller takes a running `Link` and does it by hand. A plan's faults come so many seconds after
the connection was accepted.

::

    cut          both sides end at once, with what is under way
    reset        the same with a TCP reset (SO_LINGER 0)
    half_close   one direction ends in an orderly way; the other goes on
    stall        one direction or both are no longer read
    swallow      everything is read and nothing passed on, either way: a black hole
    trickle      a few bytes at a time
    hold         answers wait until they are whole, or so many bytes: a buffering proxy
    strip        without Upgrade: a proxy that knows no WebSocket
    bad_gateway  502, and the server is never asked

Nothing here is for a network: it listens on 127.0.0.1.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from everywire.torture.links import CLEAN, End, Link, Plan


def _left_alone(number: int) -> Plan:
    return CLEAN


class ChaosProxy:
    """See the module.

    Args:
        port: Of the server; may be changed, for the connections to come.
        plan: Says for each connection, by its number, what happens to it.
        host: Of the server.

    Attributes:
        links: The running connections, by number.
        accepted: Connections so far.
    """

    def __init__(
        self, port: int, plan: Callable[[int], Plan] = _left_alone, host: str = "127.0.0.1"
    ) -> None:
        self.host = host
        self.port = port
        self.plan = plan
        self.links: dict[int, Link] = {}
        self.accepted = 0
        self._listener: asyncio.Server | None = None
        self._dialing: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Listen; returns the port."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._accept, "127.0.0.1", 0, backlog=1024)
        return self._listener.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Listen no more, and cut every connection."""
        if self._listener is not None:
            self._listener.close()
        for task in list(self._dialing):
            task.cancel()
        self.each(Link.cut)
        await asyncio.gather(*self._dialing, return_exceptions=True)

    def each(self, deed: Callable[[Link], None]) -> None:
        """Do something to every running connection."""
        for link in list(self.links.values()):
            deed(link)

    def heal(self) -> None:
        """Cut every running connection; those to come are left alone."""
        self.plan = _left_alone
        self.each(Link.cut)

    def _accept(self) -> End:
        number = self.accepted
        self.accepted += 1
        link = self.links[number] = Link(number, self.plan(number), self._dial, self._forget)
        return link.client

    def _forget(self, link: Link) -> None:
        self.links.pop(link.number, None)

    def _dial(self, link: Link) -> None:
        """Connect a link to the server; where nobody is there, its client is cut."""
        task = asyncio.get_running_loop().create_task(self._connect(link))
        self._dialing.add(task)
        task.add_done_callback(self._dialing.discard)

    async def _connect(self, link: Link) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: link.server, self.host, self.port)
        except OSError:
            link.client.abort()
            return
        if link.client.transport is None:
            link.server.abort()
