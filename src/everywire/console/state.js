// The state of a reader in words. A sign of another shape stands beside each (style.css), so that
// colour is never the only one.

import { duration, plural } from "./words.js";
import { find, say } from "./dom.js";

const WORDS = {
  idle: "Starting",
  connecting: "Connecting",
  behind: "Catching up",
  live: "Live",
  lost: "No connection",
  cut: "Cut",
  refused: "Refused",
  ended: "Channel ended",
};

/** Show a reader's state in an element of class `state`. */
export function showState(element, reader, now) {
  element.dataset.state = reader.state;
  const left = Math.ceil((reader.until - now) / 1000);
  const back = reader.state === "cut" && left > 0 ? `, back in ${left} s` : "";
  say(find(element, ".word"), WORDS[reader.state] + back);
}

/** Why a reader is not live, where there is something to say. */
export function reasonOf(reader) {
  if (reader.state === "refused") return reader.why;
  if (reader.state === "lost") return `Lost: ${reader.why}. It comes back by itself.`;
  return "";
}

/** How a reader came back: what it missed, and how fast it had it. */
export function returnOf({ seconds, caughtUp, took }) {
  const away = duration(seconds * 1000);
  if (!caughtUp) return `Back after ${away}; nothing was published meanwhile.`;
  return `Back after ${away}: ${plural(caughtUp, "message")} caught up in ${duration(took)}.`;
}
