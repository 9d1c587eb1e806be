// How long to wait before the next attempt: at random between nothing and a bound that doubles
// (full jitter), so that clients which lost their server together do not come back together.

export class Backoff {
  #attempt = 0;

  /** `first` and `most`: bounds of the first wait and of every wait, milliseconds. */
  constructor({ first = 500, most = 5000, random = Math.random } = {}) {
    this.first = first;
    this.most = most;
    this.random = random;
  }

  /** The next wait, in milliseconds; what the server asked for is the least. */
  next(asked = 0) {
    const bound = Math.min(this.most, this.first * 2 ** this.#attempt);
    this.#attempt += 1;
    return asked + this.random() * bound;
  }

  /** Something came through: the next trouble is a new one. */
  reset() {
    this.#attempt = 0;
  }
}
