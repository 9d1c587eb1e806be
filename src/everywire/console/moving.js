// The fourth reader: it goes from wire to wire and takes nothing with it but its position.

import { announce, find, say } from "./dom.js";
import { showState } from "./state.js";
import { count, plural } from "./words.js";
import { WIRES } from "./wires.js";

const LEGS_SHOWN = 6;
const PACE = 2000;

export class Moving {
  constructor(element, reader) {
    this.element = element;
    this.reader = reader;
    this.wire = 0;
    this.legs = [];
    this.timer = 0;
    this.choices = WIRES.map((wire, index) => this.#choice(wire, index));
    find(element, ".choices").append(...this.choices);
    this.next = find(element, "#move");
    this.next.addEventListener("click", () => this.move());
    this.keep = find(element, "#keep-moving");
    this.keep.addEventListener("click", () => this.#keepMoving());
    this.#arrive();
  }

  /** Go to a wire; without one, to the next. */
  move(wire = (this.wire + 1) % WIRES.length) {
    if (wire === this.wire) return;
    this.wire = wire;
    this.reader.moveTo(WIRES[wire].open);
    this.#arrive();
  }

  #arrive() {
    this.legs = [{ name: WIRES[this.wire].name, from: this.reader.messages }, ...this.legs];
    this.legs.length = Math.min(this.legs.length, LEGS_SHOWN);
    const following = WIRES[(this.wire + 1) % WIRES.length].name;
    say(this.next, `Move to ${following}`);
    this.choices.forEach((choice, index) => {
      choice.setAttribute("aria-pressed", String(index === this.wire));
    });
  }

  #keepMoving() {
    if (this.timer) {
      clearInterval(this.timer);
      this.timer = 0;
    } else {
      this.timer = setInterval(() => this.move(), PACE);
    }
    this.keep.setAttribute("aria-checked", String(this.timer !== 0));
  }

  #choice(wire, index) {
    const button = document.createElement("button");
    button.type = "button";
    say(button, wire.name);
    button.addEventListener("click", () => {
      this.move(index);
      announce(`The moving reader is on ${wire.name}`);
    });
    return button;
  }

  render(books) {
    const { element, reader } = this;
    showState(find(element, ".state"), reader);
    say(find(element, '[data-figure="messages"]'), count(reader.messages));
    say(find(element, '[data-figure="moves"]'), count(reader.moves));
    say(find(element, '[data-figure="missing"]'), count(books.missing));
    say(find(element, '[data-figure="doubled"]'), count(books.doubled));
    const list = find(element, ".legs");
    while (list.children.length < this.legs.length) list.append(document.createElement("li"));
    let upTo = reader.messages;
    this.legs.forEach(({ name, from }, index) => {
      say(list.children[index], `${name}: ${plural(upTo - from, "message")}`);
      upTo = from;
    });
  }
}
