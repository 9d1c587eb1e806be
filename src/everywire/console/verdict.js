// From the books to a sentence. Pure.

import { count, list, plural } from "./words.js";

const NOT_LIVE = {
  connecting: "connecting",
  behind: "catching up",
  lost: "without a connection",
  cut: "cut",
  refused: "refused",
  ended: "at the end of the channel",
};

/**
 * What can be said. `summary`: the ledger's. `readers`: the readers.
 *
 * `kind` is one of waiting, ok, behind, told, bad; `headline` and `detail` are for people.
 */
export function verdict(summary, readers) {
  const { length } = readers;
  const compared = `Compared message by message on ${length} readers, up to position ${summary.position}.`;
  const faults = faultsOf(summary.readers, readers);
  if (faults.length) {
    return { kind: "bad", headline: sentence(list(faults)), detail: compared };
  }
  const behind = behindOf(summary.readers, readers);
  if (behind) return { kind: "behind", headline: behind, detail: compared };
  if (!summary.messages) {
    return { kind: "waiting", headline: "Waiting for messages.", detail: compared };
  }
  const across = `across ${list([plural(summary.messages, "message"), ...interruptions(readers)])}`;
  const told = readers.filter(({ name }) => summary.readers[name].gapsTold);
  if (told.length) {
    const headline = `${lossOf(summary.readers, told)} Nothing else missing, nothing doubled ${across}.`;
    const gaps = told.map(({ name }) => `${name} ${count(summary.readers[name].gapsTold)}`);
    return { kind: "told", headline, detail: `Gaps: ${list(gaps)}. ${compared}` };
  }
  return { kind: "ok", headline: `Nothing missing, nothing doubled ${across}.`, detail: compared };
}

function faultsOf(books, readers) {
  const faults = [];
  for (const { name } of readers) {
    const { missing, doubled, late, holes } = books[name];
    if (missing) faults.push(`${name} misses ${plural(missing, "message")}`);
    else if (holes) faults.push(`the numbers that ${name} heard skip ${count(holes)}`);
    if (doubled) faults.push(`${name} got ${plural(doubled, "message")} twice`);
    if (late) faults.push(`${name} got ${plural(late, "message")} out of order`);
  }
  return faults;
}

/** Who is not live, by state: "SSE (20 messages behind) is cut." Empty where all are live. */
function behindOf(books, readers) {
  const sentences = [];
  for (const [state, words] of Object.entries(NOT_LIVE)) {
    const there = readers.filter((reader) => reader.state === state);
    if (!there.length) continue;
    const names = there.map(({ name }) => {
      const { behind } = books[name];
      return behind ? `${name} (${plural(behind, "message")} behind)` : name;
    });
    sentences.push(sentence(`${list(names)} ${there.length === 1 ? "is" : "are"} ${words}`));
  }
  return sentences.join(" ");
}

const sentence = (words) => `${words[0].toUpperCase()}${words.slice(1)}.`;

/** What is known to lie in the gaps that were told. */
function lossOf(books, told) {
  const lost = told.filter(({ name }) => books[name].told);
  if (!lost.length) return "A gap was told, into which nothing known fell.";
  const parts = lost.map(({ name }) => `${name} misses ${plural(books[name].told, "message")}`);
  return sentence(`${list(parts)}, told by a gap`);
}

function interruptions(readers) {
  const sum = (field) => readers.reduce((total, reader) => total + reader[field], 0);
  const parts = [plural(sum("cuts"), "cut")];
  if (sum("moves")) parts.push(plural(sum("moves"), "move"));
  if (sum("losses")) parts.push(plural(sum("losses"), "lost connection"));
  return parts;
}
