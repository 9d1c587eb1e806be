// A timeline as SVG. Colours and dashes are the style sheet's; here are only shapes.

import { SPAN } from "./timeline.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 120;
const TOP = 16;
const BOTTOM = 18;
// A pause this many times longer than usual is one: no line across it.
const PAUSE = 6;

export class Chart {
  #width = 320;

  /** `svg`: where to draw. `unit`: what stands behind the numbers of the scale. */
  constructor(svg, unit) {
    this.svg = svg;
    this.unit = unit;
    this.back = this.#add("g");
    this.grid = this.#add("g");
    this.caughtUp = this.#add("path", "line caught-up");
    this.live = this.#add("path", "line");
    this.marks = this.#add("path", "marks");
    this.dot = this.#add("circle", "dot");
    this.dot.setAttribute("r", 3);
    new ResizeObserver(([entry]) => this.#resize(entry.contentRect.width)).observe(svg);
  }

  /** Draw a timeline up to now, the scale going from 0 to `top`. */
  draw(timeline, now, top) {
    const x = (at) => ((at - now + SPAN) / SPAN) * this.#width;
    const y = (value) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - BOTTOM - TOP);
    this.#drawGrid(y, top);
    this.#drawSpans(timeline, x, now);
    const lines = linesOf(timeline.points, x, y);
    this.live.setAttribute("d", lines.live);
    this.caughtUp.setAttribute("d", lines.caughtUp);
    this.marks.setAttribute("d", marksOf(timeline.points, x, HEIGHT - BOTTOM));
    const last = timeline.latest;
    this.dot.setAttribute("visibility", last ? "visible" : "hidden");
    if (last) {
      this.dot.setAttribute("cx", x(last.at).toFixed(1));
      this.dot.setAttribute("cy", y(last.value).toFixed(1));
    }
  }

  #resize(width) {
    this.#width = Math.max(width, 1);
    this.svg.setAttribute("viewBox", `0 0 ${this.#width} ${HEIGHT}`);
  }

  #drawGrid(y, top) {
    const shapes = [0, 0.5, 1].flatMap((part) => {
      const at = y(top * part);
      return [
        shape("line", "grid", { x1: 0, x2: this.#width, y1: at, y2: at }),
        text(`${top * part}${part === 1 ? this.unit : ""}`, { x: 2, y: at - 3 }),
      ];
    });
    const time = { y: HEIGHT - 4 };
    shapes.push(text(`${SPAN / 1000} s ago`, { x: 2, ...time }));
    shapes.push(text("now", { x: this.#width - 2, ...time, "text-anchor": "end" }));
    this.grid.replaceChildren(...shapes);
  }

  #drawSpans({ spans, gaps }, x, now) {
    const shapes = [];
    for (const { from, to, kind } of spans) {
      shapes.push(...this.#band(x(from), x(to ?? now), kind, TOP + 11));
    }
    for (const { from, to } of gaps) {
      shapes.push(...this.#band(x(from), x(to), "gap", TOP + 23));
    }
    this.back.replaceChildren(...shapes);
  }

  #band(left, right, word, at) {
    left = Math.max(0, left);
    right = Math.min(this.#width, Math.max(right, left + 2));
    const area = { x: left, width: Math.max(0, right - left), y: TOP, height: HEIGHT - BOTTOM - TOP };
    const near = left + 4 > this.#width - 24;
    const beside = near ? { x: left - 3, "text-anchor": "end" } : { x: left + 3 };
    return [shape("rect", `span ${word}`, area), text(word, { ...beside, y: at }, "band-word")];
  }

  #add(name, className = "") {
    const element = shape(name, className, {});
    this.svg.append(element);
    return element;
  }
}

/** One path of what came live, one of what was caught up; a piece belongs to the point it ends at. */
function linesOf(points, x, y) {
  const lines = { live: "", caughtUp: "" };
  let before = null;
  let usual = Infinity;
  for (const point of points) {
    if (point.value === null) continue;
    if (before !== null && point.at >= before.at) {
      const step = point.at - before.at;
      if (step < PAUSE * usual) {
        const piece = `M${place(before, x, y)}L${place(point, x, y)}`;
        lines[point.caughtUp ? "caughtUp" : "live"] += piece;
      }
      usual = usual === Infinity ? Math.max(step, 1) : usual * 0.8 + step * 0.2;
    }
    before = point;
  }
  return lines;
}

const place = ({ at, value }, x, y) => `${x(at).toFixed(1)} ${y(value).toFixed(1)}`;

/** Messages without a number: a small diamond on the base line. */
function marksOf(points, x, base) {
  return points
    .filter(({ value }) => value === null)
    .map(({ at }) => `M${x(at).toFixed(1)} ${base - 5}l4 5l-4 5l-4 -5z`)
    .join("");
}

function shape(name, className, attributes) {
  const element = document.createElementNS(SVG, name);
  if (className) element.setAttribute("class", className);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function text(words, attributes, className = "scale") {
  const element = shape("text", className, attributes);
  element.textContent = words;
  return element;
}
