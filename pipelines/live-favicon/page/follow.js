// SPDX-License-Identifier: MIT
// Keeps the icon of a drawing up to date: one request at a time, and after it whatever was drawn meanwhile.

const PAUSE_MS = 60;

/** Nobody else can guess it, so that nobody else's drawing takes the place of ours at the server. */
const page = [...crypto.getRandomValues(new Uint8Array(16))].map(byte => byte.toString(16).padStart(2, "0")).join("");

/** An icon of a drawing as a blob; throws an Error with the server's reason. */
export async function paintDrawing(kind, wish, pixels, { signal, live = false } = {}) {
  const query = new URLSearchParams(live ? { ...wish, page } : wish);
  const response = await fetch(`/draw.${kind}?${query}`, {
    method: "POST", body: pixels, headers: { "Content-Type": "application/octet-stream" }, signal });
  if (response.ok) return response.blob();
  const error = new Error((await response.text()).trim());
  error.status = response.status;
  error.wait_ms = 1000 * Number(response.headers.get("Retry-After"));
  throw error;
}

export class Follower {
  #wanted = false;
  #running = false;
  #timer = null;
  #request = null;

  /**
   * `ask()`: {wish, pixels} now, or null for nothing; `shown(blob, ms)` and `failed(error)`: what came of it;
   * `state(busy)`: whether an icon is on its way.
   */
  constructor(ask, shown, failed, state) {
    Object.assign(this, { ask, shown, failed, state });
  }

  get busy() { return this.#wanted || this.#running || this.#timer != null; }

  /** at_once: what is under way is not worth waiting for. While a pen moves it is, or nothing would ever be seen. */
  change(at_once, pause_ms = PAUSE_MS) {
    this.state(true);
    if (!at_once && this.#timer != null) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#wanted = true;
      if (at_once) this.#request?.abort();
      this.#run();
    }, pause_ms);
  }

  stop() {
    this.#wanted = false;
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#request?.abort();
    this.state(false);
  }

  async #run() {
    if (this.#running) return;
    this.#running = true;
    while (this.#wanted) {
      this.#wanted = false;
      const asked = this.ask();
      if (asked) await this.#paint(asked);
    }
    this.#running = false;
    this.state(this.busy);
  }

  async #paint({ wish, pixels }) {
    const request = this.#request = new AbortController(), start = performance.now();
    try {
      const blob = await paintDrawing("png", wish, pixels, { signal: request.signal, live: true });
      await this.shown(blob, performance.now() - start);
    } catch (error) {
      if (error.name == "AbortError") return;
      this.failed(error);
      if (!error.wait_ms) return;
      await new Promise(done => setTimeout(done, error.wait_ms));
      if (!request.signal.aborted) this.#wanted = true;
    }
  }
}
