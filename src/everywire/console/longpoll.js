// The channel over long polling: a request that the server holds until there is something, then
// the next. Each answer says where to go on from.

const encoder = new TextEncoder();

const LIMIT = 1000;
const WAIT_SECONDS = 30;
// A page ends at LIMIT messages or 1 MiB, whichever comes first; a fuller one than this may have
// been cut.
const SURELY_WHOLE = 512 * 1024;

export function openLongPoll({ url, channel, since }, on) {
  const control = new AbortController();
  poll(url, channel, since, on, control.signal).catch((error) => {
    if (!control.signal.aborted) on.lost(wordsOf(error), 0);
  });
  return { close: () => control.abort() };
}

async function poll(url, channel, since, on, signal) {
  let opened = false;
  let level = false;
  for (;;) {
    const wait = level ? WAIT_SECONDS : 0;
    const address = new URL("updates", url);
    address.search = new URLSearchParams({ channel, since, limit: LIMIT, wait });
    on.requested();
    const response = await fetch(address, {
      // Each request is to be a real one: this page counts them.
      cache: "no-store",
      signal: AbortSignal.any([signal, AbortSignal.timeout((wait + 15) * 1000)]),
    });
    const body = await response.text();
    if (signal.aborted) return;
    on.received(headSize(response) + encoder.encode(body).length, body);
    if (!response.ok) {
      fail(response, body, on);
      return;
    }
    if (!opened) on.opened();
    opened = true;
    const answer = JSON.parse(body);
    tell(answer, on);
    since = answer.last_id;
    on.position(since);
    if (answer.final?.includes(channel)) {
      on.ended();
      return;
    }
    if (!level && answer.data.length < LIMIT && body.length < SURELY_WHOLE) {
      level = true;
      on.level();
    }
    if (signal.aborted) return;
  }
}

/** Messages and gaps, in the order of their positions. */
function tell({ data, gaps = [] }, on) {
  const waiting = [...gaps];
  const tellGaps = (upTo) => {
    while (waiting.length && waiting[0].before <= upTo) on.gap(waiting.shift());
  };
  for (const message of data) {
    tellGaps(message.id);
    on.message(message);
  }
  tellGaps(Infinity);
}

/** A refusal is final if asking again would not help; Retry-After says when it might. */
function fail(response, body, on) {
  let words = `${response.status} ${response.statusText}`;
  try {
    const { code, detail } = JSON.parse(body);
    words = `${code}: ${detail}`;
  } catch {
    // Not ours: some proxy's own page. The status has to do.
  }
  const passing = response.status >= 500 || [408, 425, 429].includes(response.status);
  if (passing) on.lost(words, 1000 * (Number(response.headers.get("retry-after")) || 0));
  else on.refused(words);
}

/** Bytes of the answer's head, as HTTP/1.1 writes it. */
function headSize(response) {
  let size = `HTTP/1.1 ${response.status} ${response.statusText}\r\n\r\n`.length;
  for (const [name, value] of response.headers) size += name.length + value.length + 4;
  return size;
}

function wordsOf(error) {
  if (error.name === "TimeoutError") return "no answer in time";
  return error instanceof TypeError ? "no connection" : String(error);
}
