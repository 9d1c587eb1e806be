"""HTTP for a client that blocks: the standard library's, with its errors in our words.

One `HttpClient` holds one connection and keeps it open between requests. A connection that the
server closed in the meantime is noticed only when it is used, so a request that fails on a kept
connection before an answer came is sent once more on a new one. That is safe here: what is sent
are reads, and publishes that carry an idempotency key.

``http.client`` reads no proxy settings from the environment, so nothing stands between us and a
server on loopback.
"""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Final

import everywire
from everywire.client.address import Address
from everywire.client.errors import Headers, Unreachable
from everywire.client.retry import REQUEST_TIMEOUT

USER_AGENT: Final = f"everywire/{everywire.__version__}"

MAX_BODY: Final = 32 * 1024 * 1024
"""Bytes of an answer. A page of messages ends at 1 MiB, or after one message."""

_WORDS: Final = {
    errno.ECONNREFUSED: "nothing listens there (connection refused)",
    errno.EHOSTUNREACH: "there is no route to that host",
    errno.ENETUNREACH: "the network is down",
    errno.ECONNRESET: "the connection was cut",
    errno.EPIPE: "the connection was cut",
    errno.ETIMEDOUT: "no answer (timed out)",
}


class Answer:
    """An HTTP answer, whole.

    Attributes:
        status: As sent.
        headers: Names are compared without case.
        body: At most `MAX_BODY` bytes.
    """

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Headers, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


class HttpClient:
    """One connection to a server.

    Args:
        address: The server.
        token: Sent as ``Authorization: Bearer``.
        timeout: Seconds to connect, and without a byte of an answer.
    """

    def __init__(
        self, address: Address, *, token: str | None = None, timeout: float = REQUEST_TIMEOUT
    ) -> None:
        self._address = address
        self._token = token
        self._timeout = timeout
        self._connection: http.client.HTTPConnection | None = None
        self._socket: socket.socket | None = None

    def request(
        self,
        method: str,
        target: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """Send a request and read its whole answer.

        Args:
            timeout: Seconds without a byte of the answer, in place of the client's.

        Raises:
            Unreachable: No answer, or none in HTTP.
        """
        with self._closing_on_error():
            response = self._send(method, target, body, headers or {}, timeout)
            data = response.read(MAX_BODY + 1)
            if response.length and len(data) <= MAX_BODY:
                # Asked for so many bytes, the library does not mind fewer.
                raise http.client.IncompleteRead(data, response.length)
        if len(data) > MAX_BODY:
            self.close()
            raise Unreachable(self._address.url, f"an answer of more than {MAX_BODY} bytes")
        return Answer(response.status, response.headers, data)

    def stream(self, target: str, *, headers: Mapping[str, str], timeout: float) -> Stream:
        """Ask for an answer that has no end.

        Args:
            timeout: Seconds without a byte after which the server counts as gone.

        Raises:
            Unreachable: No answer, or none in HTTP.
        """
        with self._closing_on_error():
            response = self._send("GET", target, None, headers, None)
            if self._socket is not None:
                self._socket.settimeout(timeout)
        return Stream(self._address, response)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        connection, self._connection = self._connection, None
        self._socket = None
        if connection is not None:
            connection.close()

    @contextmanager
    def _closing_on_error(self) -> Generator[None]:
        """Close what an exchange that failed leaves: it would answer the wrong question."""
        try:
            with in_our_words(self._address.url):
                yield
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> HttpClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(
        self,
        method: str,
        target: str,
        body: bytes | None,
        headers: Mapping[str, str],
        timeout: float | None,
    ) -> http.client.HTTPResponse:
        wait = self._timeout if timeout is None else timeout
        kept = self._connection
        if kept is not None and kept.sock is not None:
            try:
                return self._exchange(kept, method, target, body, headers, wait)
            except TimeoutError:
                raise
            except (OSError, http.client.HTTPException):
                self.close()
        return self._exchange(self._open(), method, target, body, headers, wait)

    def _open(self) -> http.client.HTTPConnection:
        self.close()
        address = self._address
        kind = http.client.HTTPSConnection if address.secure else http.client.HTTPConnection
        self._connection = kind(address.host, address.port, timeout=self._timeout)
        self._connection.connect()
        return self._connection

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        target: str,
        body: bytes | None,
        headers: Mapping[str, str],
        wait: float,
    ) -> http.client.HTTPResponse:
        sent = {"User-Agent": USER_AGENT, **headers}
        if self._token is not None:
            sent["Authorization"] = f"Bearer {self._token}"
        # Kept, for the connection lets go of it where the answer's end is the connection's.
        self._socket = sock = connection.sock
        sock.settimeout(wait)
        try:
            connection.request(method, target, body=body, headers=sent)
        except (BrokenPipeError, ConnectionResetError):
            # It may have answered (too large, say) and closed before it had read everything.
            if body is None:
                raise
        return connection.getresponse()


class Stream:
    """An answer that goes on.

    Attributes:
        status: As sent.
        headers: Names are compared without case.
    """

    def __init__(self, address: Address, response: http.client.HTTPResponse) -> None:
        self._address = address
        self._response = response
        self.status = response.status
        self.headers: Headers = response.headers

    def read(self, size: int) -> bytes:
        """What has come, at least one byte; nothing at the end.

        Raises:
            Unreachable: The connection was cut, or silent for too long.
        """
        with in_our_words(self._address.url):
            return self._response.read1(size)

    def close(self) -> None:
        """Read no more."""
        self._response.close()


@contextmanager
def in_our_words(where: str) -> Generator[None]:
    """Turn what the standard library raises for a network's faults into `Unreachable`.

    Args:
        where: The URL that was tried.
    """
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(where, reason_of(error)) from error


def reason_of(error: OSError | http.client.HTTPException) -> str:
    """A failure of the network in a few words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return "it does not speak TLS, or not ours; is the URL http:// rather than https://?"
    if isinstance(error, socket.gaierror):
        return f"the name of the host is not known ({error.strerror})"
    if isinstance(error, TimeoutError):
        return "no answer (timed out)"
    if isinstance(error, http.client.RemoteDisconnected):
        return "it closed the connection without an answer"
    if isinstance(error, http.client.IncompleteRead):
        return "the connection was cut in the middle of an answer"
    if isinstance(error, http.client.HTTPException):
        return f"what answers there does not speak HTTP ({type(error).__name__})"
    return _WORDS.get(error.errno or 0) or error.strerror or str(error) or type(error).__name__
