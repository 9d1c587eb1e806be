"""Code that runs, for each wire: what the server's side publishes, what the client hears.

Each piece is a whole program, as short as it can be without a lie: it comes back after a cut and
goes on where it was. They differ by the case: bytes, both ways, the answer of a language model. A
test runs each against a real server.

The JavaScript is for a browser as it stands. Node has WebSocket and fetch of its own (before
version 22: ``--experimental-websocket``), and takes EventSource from npm's eventsource.
"""

from __future__ import annotations

from typing import NamedTuple

from everywire.advice.rules import Situation, Wire


class Code(NamedTuple):
    """Programs for one wire.

    Attributes:
        server: What publishes, in Python, beside ``everywire serve``.
        javascript: A client for browsers and Node.
        python: A client in Python.
        shell: A client for the command line.
    """

    server: str
    javascript: str
    python: str
    shell: str


def code_for(wire: Wire, situation: Situation) -> Code:
    """The programs for a wire and a case."""
    if wire == "websocket":
        two_way, binary = situation.two_way, situation.binary
        javascript = _socket_of_bytes(two_way) if binary else _socket(two_way)
        python = _python_socket(two_way, binary) if two_way or binary else _python("ws")
        return Code(_server(situation), javascript, python, "everywire tail prices --wire ws\n")
    if wire == "sse":
        javascript = _answer() if situation.llm else _event_source()
        shell = "curl -sN 'http://127.0.0.1:8000/events?channel=prices'\n"
        return _named(Code(_server(situation), javascript, _python("sse"), shell), situation)
    code = Code(_server(situation), _polling(situation), _python("poll"), _curl_polling())
    return _named(code, situation)


def _named(code: Code, situation: Situation) -> Code:
    """The same, about a channel that fits the case."""
    if not situation.llm:
        return code
    return Code(*(part.replace("prices", "answer.42") for part in code))


def _server(situation: Situation) -> str:
    if situation.binary:
        return _PUBLISHING.format(
            channel="prices", publish='publisher.publish("prices", bytes([n, 0, 255]))'
        )
    if situation.llm:
        return _MODEL
    return _PUBLISHING.format(
        channel="prices",
        publish='publisher.publish("prices", {"symbol": "AAPL", "price": 185.5 + n})',
    )


_PUBLISHING = """\
# pip install everywire; in another terminal: everywire serve
import time
from everywire.client import Publisher

with Publisher("http://127.0.0.1:8000") as publisher:
    for n in range(100):
        {publish}
        time.sleep(0.1)
"""

_MODEL = """\
# pip install everywire; in another terminal: everywire serve
import time
from everywire.client import Publisher

with Publisher("http://127.0.0.1:8000") as publisher:
    for token in "One channel on every wire .".split():  # your model's stream
        publisher.publish("answer.42", token, event="token")
        time.sleep(0.1)
    publisher.publish("answer.42", "", event="done", final=True)  # streams end by themselves
"""


def _socket(two_way: bool) -> str:
    sends = ""
    if two_way:
        sends = """
  say = (data) => socket.send(JSON.stringify({ type: "publish", channel: "prices", data }));"""
    declares = "let say = () => {}; // set while connected\n" if two_way else ""
    uses = '\n      say({ hello: "from a client" });' if two_way else ""
    return f"""\
let since; // the position: everything up to it was had
let tries = 0;
{declares}
function connect() {{
  const socket = new WebSocket("ws://127.0.0.1:8000/ws");
  let comeback = 0;{sends}
  socket.onopen = () =>
    socket.send(JSON.stringify({{ type: "subscribe", channel: "prices", since }}));
  socket.onmessage = ({{ data }}) => {{
    const frame = JSON.parse(data);
    if (frame.type === "subscribed") {{
      tries = 0;
      since ??= frame.last_id;{uses}
    }} else if (frame.type === "message") {{
      since = frame.id ?? since;
      console.log(frame.data);
    }} else if (frame.type === "gap") {{
      since = frame.before - 1;
      console.warn("messages may be missing", frame);
    }} else if (frame.type === "position") {{
      since = frame.last_id;
    }} else if (frame.type === "bye") {{
      comeback = frame.retry_ms;
    }} else if (frame.type === "error") {{
      console.error(frame.code, frame.message);
    }}
  }};
  socket.onclose = ({{ code }}) => {{
    if ([4400, 4401, 4403].includes(code)) return; // it would be refused again
    const wait = Math.random() * Math.min(30000, 500 * 2 ** tries++);
    setTimeout(connect, comeback + wait);
  }};
}}
connect();
"""


def _socket_of_bytes(two_way: bool) -> str:
    return (
        (_SAYING_BYTES if two_way else _HEARING_BYTES)
        + """\
connect();
"""
    )


_HEARING_BYTES = """\
// format=data: a frame is just the data. There are no ids in it, so after a cut it goes on with
// what is new; to resume, ask for the subprotocol everywire.v1.msgpack and keep the ids.
let tries = 0;

function connect() {
  const socket = new WebSocket("ws://127.0.0.1:8000/ws?channel=prices&format=data");
  socket.binaryType = "arraybuffer";
  socket.onopen = () => (tries = 0);
  socket.onmessage = ({ data }) => {
    if (data instanceof ArrayBuffer) console.log(new Uint8Array(data).join(" "));
    else console.log(data); // text, JSON, or {"everywire": …} from the server itself
  };
  socket.onclose = ({ code }) => {
    if ([4400, 4401, 4403].includes(code)) return; // it would be refused again
    setTimeout(connect, Math.random() * Math.min(30000, 500 * 2 ** tries++));
  };
}
"""

_SAYING_BYTES = (
    _HEARING_BYTES.replace(
        "socket.onopen = () => (tries = 0);",
        """socket.onopen = () => {
    tries = 0;
    say(Uint8Array.of(1, 2, 255));
  };""",
    )
    .replace(
        """

function""",
        """

function say(bytes) {
  const data = btoa(String.fromCharCode(...bytes)); // what goes up is JSON
  const frame = { type: "publish", channel: "prices", data, encoding: "base64" };
  socket.send(JSON.stringify(frame));
}

function""",
    )
    .replace("const socket", "socket")
    .replace("let tries = 0;", "let tries = 0;\nlet socket;")
)


def _event_source() -> str:
    return """\
// It comes back by itself and says where it was: that is EventSource's own doing.
const source = new EventSource("http://127.0.0.1:8000/events?channel=prices");
source.onmessage = ({ data }) => console.log(JSON.parse(data));
source.addEventListener("everywire.gap", ({ data }) =>
  console.warn("messages may be missing", data),
);
"""


def _answer() -> str:
    return """\
// since=0: from the answer's beginning, so a reloaded page has all of it. Cut off, EventSource
// comes back by itself where it was; at the final message the server ends it for good.
const source = new EventSource("http://127.0.0.1:8000/events?channel=prices&since=0");
source.addEventListener("token", ({ data }) => console.log(data));
source.addEventListener("done", () => source.close());
"""


def _polling(situation: Situation) -> str:
    shows = "console.log(message.data);"
    if situation.binary:
        shows = (
            "console.log(Uint8Array.from(atob(message.data), (c) => c.charCodeAt(0)).join(' '));"
        )
    sends = ""
    if situation.two_way:
        sends = """
const say = (data) =>
  fetch("http://127.0.0.1:8000/publish", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ channel: "prices", data }),
  });
"""
    uses = (
        '\n  if (since === undefined) say({ hello: "from a client" });' if situation.two_way else ""
    )
    start = "0" if situation.llm else "undefined"
    what = "0: with all that is kept" if situation.llm else "undefined: with what is new"
    return f"""\
let since = {start}; // the position to go on from; {what}
let tries = 0;
{sends}
async function poll() {{
  const query = "channel=prices" + (since === undefined ? "" : `&since=${{since}}`);
  const answer = await fetch(`http://127.0.0.1:8000/updates?${{query}}`);
  if (!answer.ok) throw Object.assign(new Error(await answer.text()), {{ status: answer.status }});
  const page = await answer.json();
  for (const gap of page.gaps ?? []) console.warn("messages may be missing", gap);
  for (const message of page.data) {shows}{uses}
  since = page.last_id;
  return !page.final; // the channel has ended
}}

async function listen() {{
  try {{
    while (await poll()) tries = 0;
  }} catch (error) {{
    if (error.status >= 400 && error.status < 500 && error.status !== 429) throw error;
    setTimeout(listen, Math.random() * Math.min(30000, 500 * 2 ** tries++));
  }}
}}
listen();
"""


def _python(wire: str) -> str:
    return f"""\
# pip install everywire. It comes back after a cut and goes on where it was.
from everywire.client import Gap, tail

for message in tail("http://127.0.0.1:8000", ["prices"], wire="{wire}", notify=print):
    if isinstance(message, Gap):
        print("messages may be missing:", message)
    else:
        print(message.content, flush=True)
"""


def _python_socket(two_way: bool, binary: bool) -> str:
    codec = "msgspec.msgpack" if binary else "msgspec.json"
    subprotocol = "everywire.v1.msgpack" if binary else "everywire.v1"
    said = 'b"\\x01\\xff"' if binary else '{"hello": "from a client"}'
    says = ""
    if two_way:
        says = f"""
            publish = {{"type": "publish", "channel": "prices", "data": {said}}}
            socket.send({_encoded("publish", binary)})"""
    return f"""\
# pip install everywire (websockets and msgspec come with it)
import random
import time
import msgspec
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

since = None  # the position: everything up to it was had
while True:
    try:
        with connect(
            "ws://127.0.0.1:8000/ws", subprotocols=["{subprotocol}"], proxy=None
        ) as socket:
            subscribe = {{"type": "subscribe", "channel": "prices"}}
            if since is not None:
                subscribe["since"] = since
            socket.send({_encoded("subscribe", binary)}){says}
            for raw in socket:
                frame = {codec}.decode(raw)
                if frame["type"] == "message":
                    since = frame.get("id", since)
                    print(frame["data"], flush=True)
                elif frame["type"] == "gap":
                    since = frame["before"] - 1
                    print("messages may be missing:", frame)
                elif frame["type"] in ("subscribed", "position"):
                    since = frame["last_id"]
    except (OSError, ConnectionClosed):
        pass
    time.sleep(random.uniform(0, 2))
"""


def _encoded(name: str, binary: bool) -> str:
    """An expression that encodes; JSON goes as text, for it is a text frame then."""
    if binary:
        return f"msgspec.msgpack.encode({name})"
    return f"msgspec.json.encode({name}).decode()"


def _curl_polling() -> str:
    return """\
poll() { curl -sf "http://127.0.0.1:8000/updates?channel=prices$1"; }
last_id() { sed 's/.*"last_id":\\([0-9]*\\).*/\\1/'; }

since=$(poll "" | last_id) # the position to go on from
while page=$(poll "&since=$since"); do
  echo "$page"
  since=$(echo "$page" | last_id)
done
"""
