"""A client for Python that blocks: publish, and hear channels on any wire.

    for message in tail("http://127.0.0.1:8000", ["chat.*"]):
        print(message["data"])

    with Publisher("http://127.0.0.1:8000") as publisher:
        publisher.publish("chat.lobby", {"text": "hello"})

The rooms, in the order in which what is heard passes them: ``address``, ``http`` and ``sse`` (what
a connection is), ``ws_tail``, ``sse_tail`` and ``poll_tail`` (what it tells, as ``events``),
``positions`` and ``retry`` (what was had, when to come back), ``tails`` (the whole). And what is
said: ``publisher``; ``lines`` and ``piping`` for whole streams of it.
"""

from everywire.client.errors import GaveUp, Refused, Unreachable
from everywire.client.messages import Gap, Message
from everywire.client.piping import Pipe
from everywire.client.publisher import Published, Publisher, draft
from everywire.client.tails import Tail, Wire, tail

__all__ = [
    "Gap",
    "GaveUp",
    "Message",
    "Pipe",
    "Published",
    "Publisher",
    "Refused",
    "Tail",
    "Unreachable",
    "Wire",
    "draft",
    "tail",
]
