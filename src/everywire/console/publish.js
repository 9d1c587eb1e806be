// Saying something into the channel, and watching it come back over every wire.
//
// It carries an idempotency key, so it may be sent again when no answer came: it is in the channel
// once, whichever attempt arrived.

import { Backoff } from "./backoff.js";
import { find, say } from "./dom.js";
import { duration } from "./words.js";

const ATTEMPTS = 6;
const ARRIVALS_KEPT = 200;

export class PublishBox {
  #arrivals = new Map(); // id -> {reader's name: when}
  #id = null;
  #sentAt = 0;

  /** `form`: with `#event` and `#data`. `names`: of the readers it should come back on. */
  constructor({ form, url, channel, names }) {
    this.url = url;
    this.channel = channel;
    this.names = names;
    this.form = form;
    this.button = find(form, "button");
    this.outcome = find(document, "#published");
    this.seen = find(document, "#seen");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#publish();
    });
    if (channel.includes("*")) {
      this.button.disabled = true;
      say(this.outcome, "This page shows a pattern; a message goes into one channel.");
    }
  }

  /** A message came over a wire. */
  heard(name, id) {
    const arrival = this.#arrivals.get(id) ?? {};
    arrival[name] ??= performance.now();
    this.#arrivals.set(id, arrival);
    if (this.#arrivals.size > ARRIVALS_KEPT) {
      this.#arrivals.delete(this.#arrivals.keys().next().value);
    }
    if (id === this.#id) this.#show();
  }

  async #publish() {
    this.button.disabled = true;
    this.#id = null;
    this.#sentAt = performance.now();
    this.seen.replaceChildren();
    say(this.outcome, "Sending.");
    try {
      const { id, duplicate } = await this.#send();
      const took = duration(performance.now() - this.#sentAt);
      const again = duplicate ? " (an earlier attempt had arrived)" : "";
      say(this.outcome, `The log took it after ${took}, at position ${id}${again}.`);
      this.#id = id;
      this.#show();
    } catch (error) {
      say(this.outcome, error.message);
    }
    this.button.disabled = false;
  }

  async #send() {
    const head = {
      channel: this.channel,
      event: find(this.form, "#event").value,
      idempotency_key: newKey(),
    };
    const body = withData(head, find(this.form, "#data").value);
    const backoff = new Backoff();
    for (let attempt = 1; ; attempt += 1) {
      const answer = await this.#attempt(body);
      if (answer.id !== undefined) return answer;
      if (!answer.passing || attempt === ATTEMPTS) throw new Error(`Not published: ${answer.why}`);
      say(this.outcome, `${answer.why}; trying again with the same key.`);
      await new Promise((resume) => setTimeout(resume, backoff.next()));
    }
  }

  async #attempt(body) {
    try {
      const response = await fetch(new URL("publish", this.url), {
        method: "POST",
        headers: { "content-type": "application/json" },
        body,
      });
      const answer = await response.json();
      if (response.ok) return answer;
      return { why: `${answer.code}: ${answer.detail}`, passing: response.status >= 500 };
    } catch {
      return { why: "no connection", passing: true };
    }
  }

  #show() {
    const arrival = this.#arrivals.get(this.#id) ?? {};
    const items = this.names.map((name) => {
      const item = document.createElement("li");
      const at = arrival[name];
      item.dataset.seen = String(at !== undefined);
      say(item, at === undefined ? `${name}: not yet` : `${name}: after ${duration(at - this.#sentAt)}`);
      return item;
    });
    this.seen.replaceChildren(...items);
  }
}

/** A publish, encoded. What is JSON goes in as it was typed, anything else as text. */
function withData(head, text) {
  try {
    JSON.parse(text);
  } catch {
    return JSON.stringify({ ...head, data: text, encoding: "text" });
  }
  return `${JSON.stringify(head).slice(0, -1)},"data":${text}}`;
}

/** 16 random bytes, in hexadecimal. */
function newKey() {
  const random = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
