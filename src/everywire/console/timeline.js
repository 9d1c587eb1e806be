// What a chart shows: the last minute of a reader, as values over the time they were published.
//
// A message that came late stands at its own time, marked as caught up; so a cut first shows as a
// hole and then fills. Pure: the time comes in.

export const SPAN = 60_000;
const POINTS_KEPT = 2000;

export class Timeline {
  constructor() {
    this.points = []; // {at, value, caughtUp}; value null: a message without a number
    this.spans = []; // {from, to, kind}: cut or lost; to null: still so
    this.gaps = []; // {from, to}: told
  }

  /** A message. Times in milliseconds since the epoch. */
  add(at, value, caughtUp) {
    this.points.push({ at, value, caughtUp });
    if (this.points.length > POINTS_KEPT) this.points.shift();
  }

  /** A state other than live begins; it takes the place of another one. */
  begin(kind, at) {
    const last = this.spans.at(-1);
    if (last?.to === null && last.kind === kind) return;
    this.end(at);
    this.spans.push({ from: at, to: null, kind });
  }

  /** Live again. */
  end(at) {
    const last = this.spans.at(-1);
    if (last?.to === null) last.to = at;
  }

  /** A gap was told. Positions are microseconds, as near as a chart can show. */
  gap({ after, before }) {
    this.gaps.push({ from: after / 1000, to: before / 1000 });
  }

  /** Forget what has left the window. */
  trim(now) {
    const from = now - SPAN;
    // One point before the edge stays, so that the line reaches it.
    const first = this.points.findIndex(({ at }) => at >= from);
    this.points.splice(0, Math.max(0, first - 1));
    this.spans = this.spans.filter(({ to }) => to === null || to > from);
    this.gaps = this.gaps.filter(({ to }) => to > from);
  }

  /** The last message with a number; undefined: there is none. */
  get latest() {
    return this.points.findLast(({ value }) => value !== null);
  }

  /** Whether anything shown was caught up. */
  get hasCaughtUp() {
    return this.points.some(({ caughtUp }) => caughtUp);
  }

  /** The greatest value. */
  get highest() {
    return this.points.reduce((most, { value }) => Math.max(most, value ?? 0), 0);
  }
}

/** The number that a message is drawn at; null: it has none. */
export function numberIn(data) {
  if (typeof data === "number") return data;
  if (data === null || typeof data !== "object") return null;
  if (typeof data.cpu === "number") return data.cpu;
  return Object.values(data).find((value) => typeof value === "number") ?? null;
}

/** A round number at or above the greatest value, for the top of the scale. */
export function scaleFor(highest) {
  if (highest <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(highest));
  return [1, 2, 5, 10].map((step) => step * power).find((top) => top >= highest);
}
