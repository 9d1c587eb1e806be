// The proof: which reader got which message.
//
// All readers start after one position. A message that any of them got is owed to all. Up to the
// lowest position that all have reached nothing is still on its way, so there the books are closed:
// who lacks a message by then misses it. If a gap covered it, that was told; if not, it was lost in
// silence, which must not happen.
//
// Memory is bounded. Of the last KEEP messages it is known who got each. Where a reader is further
// behind than that, what it is owed is only counted: a loss shows by its number, and where the
// number is too high it is the others who lack something.
//
// Pure: no clock, no DOM.

export const KEEP = 10_000;
const GAPS_KEPT = 100;

export class Ledger {
  #readers = new Map();
  #open = new Map(); // id -> bits of the readers that got it; not settled yet
  #closed = new Map(); // the same, settled; the last KEEP
  #droppedTo = 0;

  /** `names`: the readers (at most 31). `since`: where all of them start. */
  constructor(names, since, keep = KEEP) {
    this.keep = keep;
    this.messages = 0; // settled, each counted once
    this.position = since; // all readers have reached it
    names.forEach((name, index) => {
      this.#readers.set(name, {
        bit: 1 << index,
        position: since,
        number: null,
        gaps: [],
        owed: 0,
        received: 0,
        missing: 0,
        told: 0,
        doubled: 0,
        late: 0,
        gapsTold: 0,
        holes: 0,
      });
    });
  }

  /** A reader got a message. `number`: the publisher's own count, if its data carries one. */
  receive(name, id, number = null) {
    const reader = this.#readers.get(name);
    reader.received += 1;
    if (id <= reader.position) {
      this.#again(reader, id);
      return;
    }
    reader.position = id;
    this.#follow(reader, number);
    if (!this.#open.has(id) && id <= this.#droppedTo) {
      reader.owed -= 1;
      return;
    }
    this.#open.set(id, (this.#open.get(id) ?? 0) | reader.bit);
    if (this.#open.size > this.keep) this.#drop();
  }

  /** A reader was told that messages may be missing. */
  gap(name, { after, before, reason }) {
    const reader = this.#readers.get(name);
    reader.gapsTold += 1;
    reader.number = null;
    // An unknown position may lie above where the log stands now; what is between is gone too.
    const to = reason === "unknown_position" ? Math.max(before, after + 1) : before;
    const from = reason === "unknown_position" ? Math.min(after, before - 1) : after;
    reader.gaps = [...reader.gaps.slice(1 - GAPS_KEPT), { from, to }];
  }

  /** A reader has everything up to a position, or was told to go on from there. */
  reach(name, position) {
    this.#readers.get(name).position = position;
  }

  /** Close the books up to the lowest position, and say how they stand. */
  settle() {
    const readers = [...this.#readers.values()];
    this.position = Math.min(...readers.map((reader) => reader.position));
    for (const [id, bits] of this.#open) {
      if (id > this.position) continue;
      this.#open.delete(id);
      this.#close(id, bits);
    }
    for (const reader of readers) {
      if (reader.owed && reader.position >= this.#droppedTo) this.#square(reader);
    }
    return this.#summary();
  }

  /** A reader that was far behind has caught up, and the number is not what it should be. */
  #square(reader) {
    const owed = reader.owed;
    reader.owed = 0;
    const short = owed > 0 ? [reader] : [...this.#readers.values()].filter((other) => other !== reader);
    for (const other of short) this.#miss(other, this.#droppedTo, Math.abs(owed));
  }

  #again(reader, id) {
    const bits = this.#open.get(id) ?? this.#closed.get(id) ?? reader.bit;
    if (bits & reader.bit) {
      reader.doubled += 1;
    } else {
      // New to this reader, but after it was told that it has everything up to there.
      reader.late += 1;
      if (this.#open.has(id)) this.#open.set(id, bits | reader.bit);
    }
  }

  /** The publisher numbers its messages: a hole shows even where all readers lack the same. */
  #follow(reader, number) {
    if (number === null) return;
    const expected = reader.number === null ? number : reader.number + 1;
    // It starts again at 1 when it is started again.
    if (number > expected) reader.holes += number - expected;
    reader.number = number;
  }

  #close(id, bits) {
    this.messages += 1;
    for (const reader of this.#readers.values()) {
      if (!(bits & reader.bit)) this.#miss(reader, id, 1);
    }
    this.#closed.set(id, bits);
    if (this.#closed.size > this.keep) this.#closed.delete(this.#closed.keys().next().value);
  }

  #miss(reader, id, count) {
    const told = reader.gaps.some(({ from, to }) => from < id && id < to);
    if (told) reader.told += count;
    else reader.missing += count;
  }

  /** Make room: from now on the oldest open message is only counted. */
  #drop() {
    const [id, bits] = this.#open.entries().next().value;
    this.#open.delete(id);
    this.messages += 1;
    this.#droppedTo = Math.max(this.#droppedTo, id);
    for (const reader of this.#readers.values()) {
      if (!(bits & reader.bit)) reader.owed += 1;
    }
  }

  #summary() {
    const readers = {};
    for (const [name, reader] of this.#readers) {
      let behind = Math.max(0, reader.owed);
      for (const bits of this.#open.values()) behind += bits & reader.bit ? 0 : 1;
      const { received, missing, told, doubled, late, gapsTold, holes } = reader;
      readers[name] = { received, missing, told, doubled, late, gapsTold, holes, behind };
    }
    return { messages: this.messages, position: this.position, readers };
  }
}
