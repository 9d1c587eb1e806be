// A reader of one channel: a position, and a wire to read on from it.
//
// The wire may be cut, lost, or changed for another; the position stays, and is all that is needed
// to go on. What may follow on what is a table. An event without an entry there is a fault of ours
// and thrown.

import { Backoff } from "./backoff.js";

const ANY_TIME = { lost: "lost", refused: "refused", cut: "cut", move: "connecting" };

const NEXT = {
  idle: { start: "connecting" },
  connecting: { ...ANY_TIME, opened: "behind" },
  behind: { ...ANY_TIME, level: "live", ended: "ended" },
  live: { ...ANY_TIME, level: "live", ended: "ended" },
  // EventSource comes back from here by itself, with `opened`.
  lost: { ...ANY_TIME, retry: "connecting", opened: "behind" },
  cut: { cut: "cut", heal: "connecting" },
  refused: { cut: "cut", move: "connecting" },
  ended: { cut: "ended", move: "ended" },
};

const DELAYS_KEPT = 40;

export class Reader {
  #open;
  #place;
  #heard;
  #connection = null;
  #backoff = new Backoff();
  #timer = 0;

  /**
   * `open`: the wire (websocket.js, eventsource.js, longpoll.js). `url`: the server. `heard`: gets
   * `message(reader, message)`, `gap(reader, gap)`, `position(reader, position)`,
   * `changed(reader, before)` when the state changes, and `returned(reader, interruption)` when
   * everything missed has been caught up.
   */
  constructor({ name, open, url, channel, heard }) {
    this.name = name;
    this.state = "idle";
    this.why = "";
    this.position = 0;
    this.messages = 0;
    this.requests = 0;
    this.bytes = 0;
    this.cuts = 0;
    this.losses = 0;
    this.moves = 0;
    this.raw = "";
    this.delays = [];
    /** When a cut or a lost connection will be over, milliseconds since the epoch; 0: not by itself. */
    this.until = 0;
    this.interruption = null;
    this.#open = open;
    this.#place = { url, channel };
    this.#heard = heard;
  }

  /** Read everything after a position. */
  start(since) {
    this.position = since;
    this.#go("start");
    this.#connect();
  }

  /** Drop the connection, for a while (milliseconds) or until `heal`. */
  cut(milliseconds = 0) {
    if (this.state === "ended") return;
    if (this.state !== "cut") this.cuts += 1;
    this.#disconnect();
    this.#interrupted("cut");
    this.#go("cut");
    if (milliseconds) this.#later(milliseconds, () => this.heal());
  }

  /** Go on after a cut. */
  heal() {
    if (this.state !== "cut") return;
    this.#stopWaiting();
    this.#go("heal");
    this.#connect();
  }

  /** Leave this wire for another; the position goes with us. */
  moveTo(open) {
    this.#open = open;
    if (this.state === "cut" || this.state === "ended") return;
    this.moves += 1;
    this.#disconnect();
    this.#interrupted("moved");
    this.#go("move");
    this.#connect();
  }

  /** The middle one of the last delays, in milliseconds; null: there is none yet. */
  get medianDelay() {
    const sorted = this.delays.toSorted((a, b) => a - b);
    return sorted.length ? sorted[sorted.length >> 1] : null;
  }

  #go(event) {
    const next = NEXT[this.state][event];
    if (next === undefined) throw new Error(`${this.name}: ${event} while ${this.state}`);
    const before = this.state;
    if (next === before && event !== "move") return;
    this.state = next;
    this.#heard.changed(this, before);
  }

  #connect() {
    if (this.interruption) this.interruption.back = performance.now();
    const connection = { close: () => {} };
    this.#connection = connection;
    const on = this.#listener(() => this.#connection === connection);
    Object.assign(connection, this.#open({ ...this.#place, since: this.position }, on));
  }

  #disconnect() {
    this.#stopWaiting();
    const connection = this.#connection;
    this.#connection = null;
    connection?.close();
  }

  /** What a wire may tell. One that was left may still speak; nobody listens. */
  #listener(current) {
    const events = {
      requested: () => (this.requests += 1),
      received: (bytes, raw) => {
        this.bytes += bytes;
        this.raw = raw;
      },
      opened: () => {
        this.#stopWaiting();
        // A wire that came back by itself: nobody saw it begin.
        if (this.state === "lost") this.interruption.back = performance.now();
        this.#go("opened");
      },
      message: (message) => this.#message(message),
      gap: (gap) => {
        this.interruption?.gaps.push(gap.reason);
        this.#heard.gap(this, gap);
        this.#reach(gap.before - 1);
      },
      position: (position) => this.#reach(position),
      level: () => this.#level(),
      ended: () => {
        this.#disconnect();
        this.#go("ended");
      },
      lost: (why, retryMs) => {
        this.#lose(why);
        this.#later(this.#backoff.next(retryMs), () => {
          this.#go("retry");
          this.#connect();
        });
      },
      // The wire comes back by itself.
      interrupted: (why) => this.#lose(why, false),
      refused: (why) => {
        this.why = why;
        this.#disconnect();
        this.#go("refused");
      },
    };
    const guarded = {};
    for (const [name, take] of Object.entries(events)) {
      guarded[name] = (...values) => {
        if (current()) take(...values);
      };
    }
    return guarded;
  }

  #message(message) {
    this.messages += 1;
    this.#backoff.reset();
    const caughtUp = this.state === "behind" && this.interruption !== null;
    if (caughtUp) this.interruption.caughtUp += 1;
    const delay = Date.now() - message.ts;
    if (!caughtUp) this.delays = [...this.delays.slice(1 - DELAYS_KEPT), delay];
    this.#heard.message(this, message, { caughtUp, delay });
    // An ephemeral message has no position.
    if (message.id) this.#reach(message.id);
  }

  /** The server's word on where we are counts, downwards too (docs/protocol.md, Terms). */
  #reach(position) {
    this.position = position;
    this.#heard.position(this, position);
  }

  #level() {
    const interruption = this.interruption;
    this.interruption = null;
    this.#backoff.reset();
    this.#go("level");
    if (interruption) {
      interruption.seconds = (Date.now() - interruption.from) / 1000;
      interruption.took = performance.now() - interruption.back;
      this.#heard.returned(this, interruption);
    }
  }

  #lose(why, disconnect = true) {
    this.why = why;
    if (disconnect) this.#disconnect();
    if (this.state === "live" || this.state === "behind") this.losses += 1;
    this.#interrupted("lost");
    this.#go("lost");
  }

  /** Remember since when we have not been level; the first cause counts. */
  #interrupted(kind) {
    this.interruption ??= { kind, from: Date.now(), caughtUp: 0, gaps: [], back: 0 };
  }

  #later(milliseconds, action) {
    this.#stopWaiting();
    this.until = Date.now() + milliseconds;
    this.#timer = setTimeout(action, milliseconds);
  }

  #stopWaiting() {
    clearTimeout(this.#timer);
    this.until = 0;
  }
}
