// Numbers as people read them.

const grouped = new Intl.NumberFormat("en");

/** 12,345 */
export const count = (number) => grouped.format(number);

/** "1 cut", "2 cuts" */
export const plural = (number, word) => `${count(number)} ${word}${number === 1 ? "" : "s"}`;

/** "a", "a and b", "a, b and c" */
export function list(items) {
  if (items.length < 2) return items.join("");
  return `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`;
}

/** Bytes: "812 B", "12.3 kB", "4.56 MB" */
export function bytes(number) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (number >= 1000 && unit < units.length - 1) {
    number /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(number) : number.toPrecision(3)} ${units[unit]}`;
}

/** Milliseconds: "< 1 ms", "12 ms", "4.2 s", "3 min" */
export function duration(milliseconds) {
  if (milliseconds < 0) return `−${duration(-milliseconds)}`;
  if (milliseconds < 1) return "< 1 ms";
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 120_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return `${Math.round(milliseconds / 60_000)} min`;
}

/** The data of a message on a line, cut where it gets long. */
export function inShort(message, most = 80) {
  const { data, encoding } = message;
  if (encoding === "base64") return `${count(Math.floor((data.length * 3) / 4))} bytes`;
  const text = typeof data === "string" ? data : JSON.stringify(data);
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
