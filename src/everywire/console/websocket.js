// The channel over a WebSocket: one connection, JSON frames both ways.
//
// A wire is a function: it opens one connection and tells what comes of it through `on`; `close`
// ends it. Coming back is the reader's business (reader.js), the same for all wires.

const encoder = new TextEncoder();

// Close codes after which the same attempt would fail again (docs/protocol.md, Close codes).
const FATAL = new Set([4400, 4401, 4403]);
// Errors of a moment; all others mean that what we ask for will not be given.
const PASSING = new Set(["unavailable", "internal", "rate_limited", "too_many_connections"]);

export function openWebSocket({ url, channel, since }, on) {
  const address = new URL("ws", url);
  address.protocol = address.protocol.replace("http", "ws");
  const socket = new WebSocket(address);
  let retryMs = 0;
  let refusal = null;
  let silence = 0;
  let patience = 75_000;

  // A connection can die without a word. The server says something every heartbeat, so three
  // heartbeats of silence are an end.
  const listenOn = () => {
    clearTimeout(silence);
    silence = setTimeout(() => end("the server fell silent"), patience);
  };

  const end = (why) => {
    clearTimeout(silence);
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    if (refusal === null) on.lost(why, retryMs);
    else on.refused(refusal);
  };

  const frames = {
    welcome: (frame) => (patience = 3 * frame.heartbeat_ms),
    subscribed: () => {},
    message: (frame) => on.message(frame),
    gap: (frame) => on.gap(frame),
    position: (frame) => {
      on.position(frame.last_id);
      on.level();
    },
    unsubscribed: (frame) => {
      if (frame.reason === "final") on.ended();
      else end("the server ended the subscription");
    },
    error: (frame) => {
      if (!PASSING.has(frame.code)) refusal = `${frame.code}: ${frame.message}`;
      end(frame.message);
    },
    bye: (frame) => (retryMs = frame.retry_ms),
  };

  socket.onopen = () => {
    on.opened();
    listenOn();
    socket.send(JSON.stringify({ type: "subscribe", channel, since }));
  };
  socket.onmessage = ({ data }) => {
    listenOn();
    on.received(frameSize(data), data);
    const frame = JSON.parse(data);
    frames[frame.type]?.(frame);
  };
  socket.onclose = ({ code, reason }) => {
    if (FATAL.has(code)) refusal = `${code} ${reason}`;
    end(reason || (code === 1006 ? "no connection" : `closed with ${code}`));
  };
  on.requested();

  return {
    close() {
      clearTimeout(silence);
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    },
  };
}

/** Bytes of a server's frame with this text (RFC 6455, section 5.2). */
function frameSize(text) {
  const payload = encoder.encode(text).length;
  const header = payload < 126 ? 2 : payload < 65_536 ? 4 : 10;
  return payload + header;
}
