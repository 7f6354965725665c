// SPDX-License-Identifier: MIT
// A drawing's pixels, and what can be done to them and undone. Knows nothing of the page.

const MOST_UNDOS = 100;
export const CLEAR = [0, 0, 0, 0];

export class Sketch {
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.pixels = new Uint8ClampedArray(4 * width * height);
    this.mirrored = false;
    this.past = [];
    this.future = [];
  }

  get empty() { return this.pixels.every(value => value == 0); }

  /** Before anything that can be undone as one. */
  begin() {
    this.past.push(this.pixels.slice());
    if (this.past.length > MOST_UNDOS) this.past.shift();
    this.future = [];
  }

  undo() { return this.#swap(this.past, this.future); }
  redo() { return this.#swap(this.future, this.past); }

  #swap(from, to) {
    if (from.length == 0) return false;
    to.push(this.pixels);
    this.pixels = from.pop();
    return true;
  }

  /** RGBA of the whole; of another size it is none. */
  replace(pixels) {
    if (pixels.length == this.pixels.length) this.pixels.set(pixels);
  }

  #put(x, y, colour) {
    if (x < 0 || y < 0 || x >= this.width || y >= this.height) return;
    this.pixels.set(colour, 4 * (y * this.width + x));
    if (this.mirrored) this.pixels.set(colour, 4 * (y * this.width + this.width - 1 - x));
  }

  /** Places are pixels with fractions: (0.5, 0.5) is the middle of the first. */
  dot(x, y, size, colour) {
    const radius = size / 2;
    this.#put(Math.floor(x), Math.floor(y), colour);  // also of the smallest pen
    for (let py = Math.floor(y - radius); py <= y + radius; ++py)
      for (let px = Math.floor(x - radius); px <= x + radius; ++px)
        if ((px + .5 - x) ** 2 + (py + .5 - y) ** 2 <= radius ** 2) this.#put(px, py, colour);
  }

  line(x, y, toX, toY, size, colour) {
    const steps = Math.max(1, Math.ceil(2 * Math.hypot(toX - x, toY - y)));
    for (let k = 0; k <= steps; ++k) this.dot(x + (toX - x) * k / steps, y + (toY - y) * k / steps, size, colour);
  }

  /** All that has the colour of (x, y) and hangs together with it. */
  fill(x, y, colour) {
    this.#flood(Math.floor(x), Math.floor(y), colour);
    if (this.mirrored) this.#flood(this.width - 1 - Math.floor(x), Math.floor(y), colour);
  }

  #flood(x, y, colour) {
    if (x < 0 || y < 0 || x >= this.width || y >= this.height) return;
    const words = new Uint32Array(this.pixels.buffer);
    const wanted = words[y * this.width + x], [made] = new Uint32Array(Uint8Array.from(colour).buffer);
    const waiting = wanted == made ? [] : [[x, y]];
    while (waiting.length) {
      const [px, py] = waiting.pop(), place = py * this.width + px;
      if (px < 0 || py < 0 || px >= this.width || py >= this.height || words[place] != wanted) continue;
      words[place] = made;
      waiting.push([px + 1, py], [px - 1, py], [px, py + 1], [px, py - 1]);
    }
  }
}
