// A wire on the page: its state, its switch, its chart, its last messages, its figures.

import { Chart } from "./chart.js";
import { copyOf, find, say } from "./dom.js";
import { gapWords, reasonOf, showState } from "./state.js";
import { Timeline, numberIn } from "./timeline.js";
import { bytes, count, duration, inShort } from "./words.js";

const ROWS = 4;
const RAW_SHOWN = 700;
export const A_WHILE = 5000;

export class Card {
  /** `wire`: one of wires.js. `reader`: its reader. `quantity`: what the chart shows. */
  constructor(wire, reader, quantity) {
    this.wire = wire;
    this.reader = reader;
    this.quantity = quantity;
    this.timeline = new Timeline();
    this.last = [];
    this.note = "";
    this.element = copyOf("wire-card");
    this.#fill();
    this.chart = new Chart(find(this.element, ".chart"), quantity.unit);
  }

  #fill() {
    const { element, wire, reader } = this;
    element.dataset.wire = wire.key;
    say(find(element, "h2"), wire.name);
    say(find(element, ".path"), wire.path);
    say(find(element, ".raw summary"), `The last ${wire.unit} on the wire`);
    find(element, ".raw").open = matchMedia("(min-width: 64rem)").matches;
    find(element, ".chart").setAttribute("aria-label", `${this.quantity.name} over ${wire.name}`);
    const body = find(element, "tbody");
    for (let row = 0; row < ROWS; row += 1) body.append(emptyRow());

    this.switch = find(element, ".cut");
    this.switch.setAttribute("aria-label", `Cut ${wire.name}`);
    this.switch.addEventListener("click", () => {
      if (reader.state === "cut") reader.heal();
      else reader.cut();
    });
    const aWhile = find(element, ".cut-a-while");
    aWhile.setAttribute("aria-label", `Cut for 5 s: ${wire.name}`);
    aWhile.addEventListener("click", () => reader.cut(A_WHILE));
  }

  // What the reader tells

  message(message, { caughtUp, delay }) {
    this.timeline.add(message.ts, numberIn(message.data), caughtUp);
    this.last = [{ message, caughtUp, delay }, ...this.last.slice(0, ROWS - 1)];
  }

  gap(gap) {
    this.timeline.gap(gap);
    this.note = gapWords(gap.reason);
  }

  changed(now) {
    const { state } = this.reader;
    if (state === "cut" || state === "lost") this.timeline.begin(state, now);
    if (state === "live") this.timeline.end(now);
    if (state === "cut") this.note = "";
  }

  returned(words) {
    this.note = words;
  }

  // What is seen

  /** `books`: this reader's part of the ledger's summary. `top`: of the scale, for all charts. */
  render(books, now, top) {
    const { element, reader } = this;
    showState(find(element, ".state"), reader);
    this.switch.setAttribute("aria-checked", String(reader.state === "cut"));
    for (const button of element.querySelectorAll("button")) {
      button.disabled = reader.state === "ended";
    }
    say(find(element, ".note"), reasonOf(reader, now) || this.note || this.wire.about);
    this.timeline.trim(now);
    this.chart.draw(this.timeline, now, top);
    this.#renderCaption();
    this.#renderMessages();
    this.#renderFigures(books);
    const raw = reader.raw.trimEnd();
    say(find(element, ".raw pre"), raw.length > RAW_SHOWN ? `${raw.slice(0, RAW_SHOWN)}…` : raw);
  }

  #renderCaption() {
    const { quantity, timeline } = this;
    const dashed = timeline.hasCaughtUp ? ". Dashed: caught up" : "";
    say(find(this.element, ".quantity"), `${quantity.name}, the last minute${dashed}`);
    const { latest } = timeline;
    say(find(this.element, ".value"), latest ? `${latest.value}${quantity.unit}` : "");
  }

  #renderMessages() {
    const rows = find(this.element, "tbody").rows;
    this.last.forEach(({ message, caughtUp, delay }, index) => {
      const row = rows[index];
      const [position, late, text] = row.cells;
      const id = String(message.id ?? "ephemeral");
      say(position.firstChild, id.slice(0, -7));
      say(position.lastChild, id.slice(-7));
      say(late, caughtUp ? `caught up, ${duration(delay)}` : duration(delay));
      row.className = caughtUp ? "caught-up" : "";
      say(text, described(message));
    });
  }

  #renderFigures(books) {
    const { reader, wire } = this;
    const about = wire.exact ? "" : "≈ ";
    const median = reader.medianDelay;
    const figures = {
      messages: count(reader.messages),
      missing: count(books.missing),
      doubled: count(books.doubled),
      gaps: count(books.gapsTold),
      delay: median === null ? "–" : duration(median),
      requests: count(reader.requests),
      bytes: about + bytes(reader.bytes),
      each: reader.messages ? about + bytes(reader.bytes / reader.messages) : "–",
    };
    for (const [name, text] of Object.entries(figures)) {
      const figure = find(this.element, `[data-figure="${name}"]`);
      say(figure, text);
      if (name === "missing" || name === "doubled") figure.classList.toggle("bad", books[name] > 0);
    }
  }
}

function emptyRow() {
  const row = document.createElement("tr");
  const position = row.insertCell();
  const [head, tail] = [document.createElement("span"), document.createElement("b")];
  position.append(head, tail);
  row.insertCell();
  row.insertCell();
  return row;
}

/** A message in a few words. */
function described(message) {
  const { data, event } = message;
  if (event === "load" && typeof data?.cpu === "number") return `n ${data.n}, cpu ${data.cpu} %`;
  return event === "message" ? inShort(message) : `${event}: ${inShort(message)}`;
}
