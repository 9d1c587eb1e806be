// The page: one channel over three wires, side by side, and the proof that they agree.
//
//   wires (websocket, eventsource, longpoll)  one connection each
//     reader     a position; comes back, is cut, changes wires
//       ledger   who got what                    timeline   what a chart shows
//         verdict, card, moving, publish         what is seen
//
// What a reader tells is noted at once; the page is drawn a few times a second, however much comes.

import { Backoff } from "./backoff.js";
import { A_WHILE, Card } from "./card.js";
import { announce, find, say } from "./dom.js";
import { Ledger } from "./ledger.js";
import { Moving } from "./moving.js";
import { PublishBox } from "./publish.js";
import { Reader } from "./reader.js";
import { showSnippets } from "./snippets.js";
import { returnOf } from "./state.js";
import { scaleFor } from "./timeline.js";
import { verdict } from "./verdict.js";
import { WIRES } from "./wires.js";

const DRAW_MS = 250;
const MACHINE = "machine";

const url = new URL("./", document.baseURI);
const channel = new URLSearchParams(location.search).get("channel") || MACHINE;
const quantity =
  channel === MACHINE
    ? { name: "CPU", unit: " %", top: 100 }
    : { name: "Values", unit: "", top: 0 };

find(document, "#channel").value = channel;
say(find(document, "#lead"), leadOf(channel));
say(find(document, "#clocks"), clocksOf(location.hostname));
// A page that comes out of the browser's cache has no connections any more.
addEventListener("pageshow", ({ persisted }) => {
  if (persisted) location.reload();
});
run();

async function run() {
  const since = await whereTheLogStands();
  if (since === null) return;

  const names = [...WIRES.map(({ name }) => name), "the moving reader"];
  const ledger = new Ledger(names, since);
  const publishBox = new PublishBox({ form: find(document, "#publish"), url, channel, names });
  const cards = new Map();
  const heard = {
    message(reader, message, arrival) {
      if (message.id) {
        ledger.receive(reader.name, message.id, numberOf(message));
        publishBox.heard(reader.name, message.id);
      }
      cards.get(reader)?.message(message, arrival);
    },
    gap(reader, gap) {
      ledger.gap(reader.name, gap);
      cards.get(reader)?.gap(gap);
    },
    position: (reader, position) => ledger.reach(reader.name, position),
    changed(reader) {
      cards.get(reader)?.changed(Date.now());
      if (reader.state === "lost") announce(`${reader.name}: the connection was lost`);
    },
    returned(reader, interruption) {
      const words = returnOf(interruption);
      cards.get(reader)?.returned(words);
      if (interruption.kind !== "moved") announce(`${reader.name}: ${words}`);
    },
  };

  const readers = WIRES.map(({ name, open }) => new Reader({ name, open, url, channel, heard }));
  readers.forEach((reader, index) => cards.set(reader, new Card(WIRES[index], reader, quantity)));
  find(document, "#wires").append(...[...cards.values()].map(({ element }) => element));
  const rover = new Reader({ name: names.at(-1), open: WIRES[0].open, url, channel, heard });
  const moving = new Moving(find(document, "#moving"), rover);
  connectCutAll(readers);
  showSnippets(find(document, "#snippets"), { url, channel, since });

  const all = [...readers, rover];
  for (const reader of all) reader.start(since);
  const draw = () => {
    const now = Date.now();
    const summary = ledger.settle();
    const highest = Math.max(...[...cards.values()].map(({ timeline }) => timeline.highest));
    const top = Math.max(quantity.top, scaleFor(highest));
    for (const [reader, card] of cards) card.render(summary.readers[reader.name], now, top);
    moving.render(summary.readers[rover.name]);
    showVerdict(verdict(summary, all), readers);
  };
  draw();
  setInterval(draw, DRAW_MS);
}

/** The position that all readers start after; null: the channel cannot be had. */
async function whereTheLogStands() {
  const address = new URL("updates", url);
  address.search = new URLSearchParams({ channel });
  const backoff = new Backoff();
  for (;;) {
    let retryMs = 0;
    try {
      const response = await fetch(address, { cache: "no-store" });
      const answer = await response.json();
      if (response.ok && !answer.final) return answer.last_id;
      if (response.ok) return refuse("This channel has ended: nothing more will come.");
      if (response.status < 500) return refuse(answer.detail);
      retryMs = 1000 * (Number(response.headers.get("retry-after")) || 0);
    } catch {
      say(find(document, "#headline"), "No connection to the server. Trying again.");
    }
    await new Promise((resume) => setTimeout(resume, backoff.next(retryMs)));
  }
}

function refuse(why) {
  showVerdict({ kind: "bad", headline: why, detail: "" }, []);
  return null;
}

function showVerdict({ kind, headline, detail }, readers) {
  const section = find(document, "#verdict");
  if (section.dataset.verdict !== kind && ["ok", "bad", "told"].includes(kind)) announce(headline);
  section.dataset.verdict = kind;
  say(find(section, "#headline"), headline);
  say(find(section, "#detail"), detail);
  const cut = readers.length > 0 && readers.every(({ state }) => state === "cut");
  find(section, "#cut-all").setAttribute("aria-checked", String(cut));
}

function connectCutAll(readers) {
  find(document, "#cut-all-a-while").addEventListener("click", () => {
    for (const reader of readers) reader.cut(A_WHILE);
  });
  find(document, "#cut-all").addEventListener("click", () => {
    const cut = readers.every(({ state }) => state === "cut");
    for (const reader of readers) {
      if (cut) reader.heal();
      else reader.cut();
    }
  });
}

/** The publisher's own count of its messages: the machine's readings have one. */
function numberOf({ channel: name, event, data }) {
  return name === MACHINE && event === "load" && Number.isInteger(data?.n) ? data.n : null;
}

function leadOf(name) {
  const what =
    name === MACHINE
      ? "This machine publishes its own load four times a second on the channel “machine”. Here it arrives"
      : `Everything published on “${name}” arrives here`;
  return (
    `${what} over WebSocket, Server-Sent Events and long polling, side by side. Cut one: its ` +
    "connection really closes. Let it back: it goes on from its position, and what it missed " +
    "is there."
  );
}

function clocksOf(host) {
  const here = ["localhost", "127.0.0.1", "[::1]"].includes(host);
  if (here) return "Both are the clock of this machine.";
  return "If the server is another machine, the difference of the two clocks is in it.";
}
