// The state of a reader in words. A sign of another shape stands beside each (style.css), so that
// colour is never the only one.

import { find, say } from "./dom.js";
import { duration, list, plural } from "./words.js";

const WORDS = {
  idle: "Starting",
  connecting: "Connecting",
  behind: "Catching up",
  live: "Live",
  lost: "Lost",
  cut: "Cut",
  refused: "Refused",
  ended: "Channel ended",
};

/** Show a reader's state in an element of class `state`. */
export function showState(element, reader) {
  element.dataset.state = reader.state;
  say(find(element, ".word"), WORDS[reader.state]);
}

/** Why a reader is not live, and what comes next, where there is something to say. */
export function reasonOf(reader, now) {
  if (reader.state === "refused") return reader.why;
  if (reader.state === "lost") return `${sentence(reader.why)} It comes back by itself.`;
  if (reader.state === "cut") {
    const left = Math.ceil((reader.until - now) / 1000);
    const when = left > 0 ? `In ${left} s it` : "Switched back, it";
    return `The connection is closed. ${when} goes on from position ${reader.position}.`;
  }
  return "";
}

const sentence = (words) => `${words[0].toUpperCase()}${words.slice(1)}.`;

/** How a reader came back: what it missed, how fast it had it, and what it was told is gone. */
export function returnOf({ seconds, caughtUp, took, gaps }) {
  const away = duration(seconds * 1000);
  const words = caughtUp
    ? `Back after ${away}: ${plural(caughtUp, "message")} caught up in ${duration(took)}.`
    : `Back after ${away}; nothing was published meanwhile.`;
  const reasons = [...new Set(gaps)];
  if (reasons.length > 1) return `${words} Gaps were told: ${list(reasons)}.`;
  return reasons.length ? `${words} ${gapWords(reasons[0])}` : words;
}

/** What a gap means. */
export function gapWords(reason) {
  return `A gap was told (${reason}): ${GAP_WORDS[reason] ?? "some may be missing"}.`;
}

const GAP_WORDS = {
  trimmed: "the log no longer keeps some",
  conflated: "only the newest were sent",
  unknown_position: "the log is not the one it knew",
  forbidden: "some are not for us",
};
