"""The proxy does what it says, and nothing else; each fault against a server that echoes."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from everywire.torture.links import CLEAN, HELD, Link, Plan
from everywire.torture.proxy_thread import ProxyThread
from everywire.torture.stages import BAD_GATEWAY

DEADLINE = 10.0
BIG = bytes(range(256)) * 4096


def plain(number: int) -> Plan:
    return CLEAN


class Echo:
    """A server that sends back what it gets, and notes how each connection ended."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.connections: list[socket.socket] = []
        self.ends: list[str] = []
        self.received = 0
        self.threads: list[threading.Thread] = []
        self.accepting = threading.Thread(target=self.accept)
        self.accepting.start()

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            self.threads.append(threading.Thread(target=self.echo, args=(connection,)))
            self.threads[-1].start()

    def echo(self, connection: socket.socket) -> None:
        try:
            while data := connection.recv(65_536):
                self.received += len(data)
                connection.sendall(data)
            self.ends.append("end")
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            self.ends.append("reset")

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.accepting.join()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        for connection in self.connections:
            connection.close()


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


def eventually(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.002)


class Through:
    """A client's connection through a proxy."""

    def __init__(self, proxy: ProxyThread) -> None:
        self.proxy = proxy
        before = proxy.proxy.accepted
        self.socket = socket.create_connection(("127.0.0.1", proxy.port), timeout=DEADLINE)
        eventually(lambda: proxy.proxy.accepted > before, "the connection is accepted")

    def do(self, deed: Callable[[Link], None]) -> None:
        """Do something to it in the proxy."""
        self.proxy.call(lambda proxy: deed(proxy.links[proxy.accepted - 1]))

    def take(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            assert more, f"ended after {len(data)} of {count} bytes"
            data += more
        return data

    def echoed(self, data: bytes) -> None:
        self.socket.sendall(data)
        assert self.take(len(data)) == data

    def long_enough(self) -> None:
        """What is under way has arrived: another connection's whole way takes longer."""
        kept = self.proxy.call(lambda proxy: (proxy.plan, setattr(proxy, "plan", plain))[0])
        other = Through(self.proxy)
        other.echoed(b"another")
        other.socket.shutdown(socket.SHUT_WR)
        assert other.socket.recv(1) == b""
        other.socket.close()
        self.proxy.call(lambda proxy: setattr(proxy, "plan", kept))

    def fill(self) -> None:
        """Send until nothing more is taken, even after a while."""
        self.socket.setblocking(False)
        sent, before = 0, -1
        while sent > before:
            before = sent
            with contextlib.suppress(BlockingIOError):
                while sent < 256 * 1024**2:
                    sent += self.socket.send(BIG)
            self.long_enough()
        assert sent < 256 * 1024**2, "it is all taken"

    def nothing_comes(self) -> None:
        """Nothing is there now; who asks has waited `long_enough`."""
        self.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            self.socket.recv(1)
        self.socket.settimeout(DEADLINE)


@pytest.fixture
def through(echo: Echo) -> Iterator[Callable[[Plan], Through]]:
    proxies: list[ProxyThread] = []
    clients: list[Through] = []

    def connect(plan: Plan = CLEAN) -> Through:
        proxy = ProxyThread(echo.port, lambda number: plan)
        proxies.append(proxy.__enter__())
        clients.append(Through(proxy))
        return clients[-1]

    yield connect
    for client in clients:
        client.socket.close()
    for proxy in proxies:
        proxy.__exit__(None, None, None)
        assert proxy.proxy.links == {} or not proxy.loop.is_running()


def test_what_is_left_alone_passes_whole_both_ways_and_ends_in_order(
    through: Callable[..., Through], echo: Echo
) -> None:
    client = through()
    sender = threading.Thread(target=client.socket.sendall, args=(BIG,))
    sender.start()
    assert client.take(len(BIG)) == BIG
    sender.join()
    client.socket.shutdown(socket.SHUT_WR)
    assert client.socket.recv(1) == b""
    eventually(lambda: echo.ends == ["end"], "the server sees the end")
    eventually(lambda: client.proxy.call(lambda proxy: not proxy.links), "the link is gone")


def test_cut(through: Callable[..., Through], echo: Echo) -> None:
    client = through()
    client.echoed(b"one")
    client.do(Link.cut)
    assert client.socket.recv(1) == b""
    eventually(lambda: echo.ends == ["end"], "the server sees the end")


def test_reset(through: Callable[..., Through], echo: Echo) -> None:
    client = through()
    client.echoed(b"one")
    client.do(Link.reset)
    with pytest.raises(ConnectionResetError):
        client.socket.recv(1)
    eventually(lambda: echo.ends == ["reset"], "the server sees the reset")


def test_half_close_towards_the_server(through: Callable[..., Through], echo: Echo) -> None:
    client = through()
    client.echoed(b"one")
    client.do(lambda link: link.half_close("up"))
    eventually(lambda: echo.ends == ["end"], "the server sees the end")
    assert client.socket.recv(1) == b""


def test_half_close_towards_the_client(through: Callable[..., Through], echo: Echo) -> None:
    client = through()
    client.echoed(b"one")
    client.do(lambda link: link.half_close("down"))
    assert client.socket.recv(1) == b""
    client.socket.sendall(b"two")
    eventually(lambda: echo.received == 6, "the server still hears")
    assert echo.ends == []


@pytest.mark.parametrize("way", ["up", "down", None])
def test_stall_and_go_on(way: str | None, through: Callable[..., Through], echo: Echo) -> None:
    client = through()
    client.echoed(b"one")
    client.do(lambda link: link.stall(way))  # type: ignore[arg-type]
    client.socket.sendall(b"two")
    if way == "down":
        eventually(lambda: echo.received == 6, "the server hears")
    client.long_enough()
    client.nothing_comes()
    assert way == "down" or echo.received == 3 + 7
    client.proxy.each(Link.go_on)
    assert client.take(3) == b"two"


def test_a_stall_holds_the_sender_up_and_stores_nothing(
    through: Callable[..., Through], echo: Echo
) -> None:
    """The proxy's own memory does not grow: the sender's socket fills instead."""
    client = through()
    client.echoed(b"one")
    client.do(Link.stall)
    client.fill()
    assert echo.received < 1000, "nothing but what others sent"


def test_trickle(through: Callable[..., Through], echo: Echo) -> None:
    client = through(Plan(trickle=1, pause=0))
    data = bytes(range(200))
    client.socket.sendall(data)
    pieces: list[int] = []
    while sum(pieces) < len(data):
        pieces.append(len(client.socket.recv(len(data))))
    assert echo.received == len(data)
    client.socket.shutdown(socket.SHUT_WR)
    assert client.socket.recv(1) == b""


def test_what_trickles_waits_at_the_sender(through: Callable[..., Through]) -> None:
    client = through(Plan(trickle=1, pause=60))
    client.fill()
    waiting = client.proxy.call(lambda proxy: len(proxy.links[0]._up._waiting))
    # Up to one read of the socket more than is held.
    assert waiting <= HELD + 256 * 1024


def test_a_black_hole_swallows_and_tells_nobody(
    through: Callable[..., Through], echo: Echo
) -> None:
    client = through()
    client.echoed(b"one")
    client.do(Link.swallow)
    client.socket.sendall(b"two")
    client.long_enough()
    client.nothing_comes()
    client.socket.close()
    client.long_enough()
    assert echo.received == 3 + 7 + 7
    assert echo.ends == ["end", "end"], "only the ends of those that were left alone are told"


def test_a_black_hole_from_the_beginning(through: Callable[..., Through], echo: Echo) -> None:
    client = through(Plan(answer="swallow"))
    client.socket.sendall(BIG)
    client.nothing_comes()
    assert echo.connections == []


def test_bad_gateway(through: Callable[..., Through], echo: Echo) -> None:
    client = through(Plan(answer="bad_gateway"))
    client.socket.sendall(b"GET / HTTP/1.1\r\n")
    client.socket.sendall(b"Host: a\r\n\r\n")
    assert client.take(len(BAD_GATEWAY)) == BAD_GATEWAY
    assert client.socket.recv(1) == b""
    assert echo.connections == []


def test_strip_upgrade(through: Callable[..., Through]) -> None:
    client = through(Plan(strip=True))
    client.socket.sendall(b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nHost: a\r\n\r\n")
    expected = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    assert client.take(len(expected)) == expected


def test_hold(through: Callable[..., Through], echo: Echo) -> None:
    client = through(Plan(hold=1000))
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    client.socket.sendall(head)
    client.long_enough()
    client.nothing_comes()
    client.socket.sendall(b"x" * 1000)
    assert client.take(len(head) + 1000) == head + b"x" * 1000


def test_planned_faults_come_at_their_time(through: Callable[..., Through]) -> None:
    client = through(Plan(faults=((0.01, "stall"), (0.02, "go_on"), (0.05, "reset"))))
    with pytest.raises(ConnectionResetError):
        client.socket.recv(1)


def test_where_nobody_listens_the_client_is_cut(echo: Echo) -> None:
    nobody = socket.create_server(("127.0.0.1", 0))
    port = nobody.getsockname()[1]
    nobody.close()
    with ProxyThread(port) as proxy:
        client = Through(proxy)
        assert client.socket.recv(1) == b""
        client.socket.close()


def test_healing_cuts_everybody_and_spares_those_to_come(
    through: Callable[..., Through],
) -> None:
    client = through(Plan(answer="swallow"))
    client.proxy.call(lambda proxy: proxy.heal())
    assert client.socket.recv(1) == b""
    other = Through(client.proxy)
    other.echoed(b"one")
    other.socket.close()
