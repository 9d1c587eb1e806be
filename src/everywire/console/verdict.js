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
  const compared = `Compared message by message on ${readers.length} readers, up to position ${summary.position}.`;
  const faults = faultsOf(summary.readers, readers);
  if (faults.length) {
    return { kind: "bad", headline: `Not as it should be: ${list(faults)}.`, detail: compared };
  }
  const behind = behindOf(summary.readers, readers);
  if (behind.length) return { kind: "behind", headline: behind.join(" "), detail: compared };
  if (!summary.messages) {
    return { kind: "waiting", headline: "Waiting for messages.", detail: compared };
  }
  const across = `across ${list([plural(summary.messages, "message"), ...interruptions(readers)])}`;
  const told = readers.filter(({ name }) => summary.readers[name].gapsTold);
  if (told.length) {
    return {
      kind: "told",
      headline: `Nothing missing in silence, nothing doubled ${across}.`,
      detail: `${gapsOf(summary.readers, told)} ${compared}`,
    };
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

function behindOf(books, readers) {
  return readers
    .filter(({ state }) => NOT_LIVE[state])
    .map(({ name, state }) => {
      const { behind } = books[name];
      return `${name} is ${NOT_LIVE[state]}${behind ? `, ${plural(behind, "message")} behind` : ""}.`;
    });
}

function gapsOf(books, told) {
  const gaps = told.map(({ name }) => `${name} of ${plural(books[name].gapsTold, "gap")}`);
  const most = Math.max(...told.map(({ name }) => books[name].told));
  const known = most ? ` ${plural(most, "message")} that others got lay in one.` : "";
  return `The server told ${list(gaps)}.${known}`;
}

function interruptions(readers) {
  const sum = (field) => readers.reduce((total, reader) => total + reader[field], 0);
  const parts = [plural(sum("cuts"), "cut")];
  if (sum("moves")) parts.push(plural(sum("moves"), "move"));
  if (sum("losses")) parts.push(plural(sum("losses"), "lost connection"));
  return parts;
}
