// The channel over Server-Sent Events, by the browser's own EventSource.
//
// EventSource comes back by itself, to its last event's id. After a cut of ours it is a new one,
// which cannot set that header: it says the same as `lastEventId` in the query. Messages come in
// envelopes, for EventSource hears only events whose names it was told, and has no time of them.

const encoder = new TextEncoder();

export function openEventSource({ url, channel, since }, on) {
  const address = new URL("events", url);
  address.search = new URLSearchParams({ channel, format: "envelope", lastEventId: since });
  const source = new EventSource(address);
  // The first position of an answer is where it starts; the next says that the replay is over.
  let started = false;

  const hear = (name, take) => {
    source.addEventListener(name, (event) => {
      const block = blockOf(event);
      on.received(encoder.encode(block).length, block);
      take(JSON.parse(event.data));
    });
  };

  source.onopen = () => {
    started = false;
    on.opened();
  };
  hear("message", (message) => on.message(message));
  hear("everywire.gap", (gap) => on.gap(gap));
  hear("everywire.position", ({ last_id }) => {
    on.position(last_id);
    if (started) on.level();
    started = true;
  });
  hear("everywire.unsubscribed", ({ reason }) => {
    if (reason === "final") on.ended();
  });
  hear("everywire.error", () => {}); // the end of the stream follows, and the way back
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) {
      // An answer that was no stream: EventSource gives up for good, we do not.
      on.lost("the server did not answer with a stream", 0);
    } else {
      on.interrupted("the stream broke off");
      on.requested();
    }
  };
  on.requested();

  return { close: () => source.close() };
}

/** An event as it stood on the wire, put together again: EventSource does not show the bytes. */
function blockOf({ lastEventId, type, data }) {
  const lines = [];
  if (lastEventId) lines.push(`id: ${lastEventId}`);
  if (type !== "message") lines.push(`event: ${type}`);
  for (const line of data.split("\n")) lines.push(`data: ${line}`);
  return `${lines.join("\n")}\n\n`;
}
