// SPDX-License-Identifier: MIT
// Completes the word that is being typed, and says how a prompt is read.
import { ask, at } from "./icon.js";

const MOST = 8, PAUSE_MS = 150;

export class Prompt {
  #words = [];
  #chosen = -1;
  #timer = null;
  #request = null;
  #typed = 0;

  /** `changed()`: somebody has typed or chosen something. */
  constructor(changed) {
    this.changed = changed;
    const input = at("prompt");
    input.addEventListener("input", () => { this.#offer(); this.#change(); });
    input.addEventListener("keydown", event => this.#key(event));
    input.addEventListener("blur", () => this.#close());
    // Before the input loses the focus, which would close the list.
    at("words").addEventListener("pointerdown", event => {
      event.preventDefault();
      const item = event.target.closest("li");
      if (item) this.#take(item.dataset.word);
    });
  }

  async load() {
    this.#words = (await ask("/words")).words;
  }

  /** The word that the caret stands behind, in lower case. */
  #fragment() {
    const { value, selectionStart, selectionEnd } = at("prompt");
    if (selectionStart != selectionEnd || /^[\p{L}\p{N}]/u.test(value.slice(selectionEnd))) return "";
    return /[\p{L}\p{N}-]*$/u.exec(value.slice(0, selectionStart))[0];
  }

  #offer() {
    const typed = this.#fragment(), begin = typed.toLowerCase();
    const found = [];
    for (const word of begin ? this.#words : []) {
      if (!word.startsWith(begin)) continue;
      if (word == begin) { found.unshift(word); continue; }
      if (found.length < MOST) found.push(word);
    }
    const list = at("words");
    list.replaceChildren(...found.filter(word => word != begin).map((word, k) => {
      const item = document.createElement("li"), rest = document.createElement("b");
      Object.assign(item, { id: `word-${k}`, role: "option", ariaSelected: "false" });
      item.dataset.word = word;
      rest.textContent = word.slice(begin.length);
      item.append(word.slice(0, begin.length), rest);
      return item;
    }));
    this.#typed = typed.length;
    this.#choose(-1);
    list.hidden = list.childElementCount == 0;
    at("prompt").ariaExpanded = String(!list.hidden);
  }

  #close() {
    at("words").hidden = true;
    at("prompt").ariaExpanded = "false";
    this.#choose(-1);
  }

  #choose(k) {
    const items = [...at("words").children];
    this.#chosen = k;
    items.forEach((item, i) => { item.ariaSelected = String(i == k); });
    if (items[k]) at("prompt").setAttribute("aria-activedescendant", items[k].id);
    else at("prompt").removeAttribute("aria-activedescendant");
  }

  #take(word) {
    const input = at("prompt"), end = input.selectionStart;
    input.setRangeText(word, end - this.#typed, end, "end");
    this.#close();
    this.#change();
  }

  #key(event) {
    const count = at("words").childElementCount;
    if (at("words").hidden || event.isComposing) return;
    if (event.key == "ArrowDown" || event.key == "ArrowUp") {
      const step = event.key == "ArrowDown" ? 1 : -1;
      // One place more than there are words: none of them.
      this.#choose((this.#chosen + 1 + step + count + 1) % (count + 1) - 1);
    } else if (event.key == "Enter" && this.#chosen >= 0) {
      this.#take(at("words").children[this.#chosen].dataset.word);
    } else if (event.key == "Escape") {
      event.stopPropagation();  // stops nothing else
      return this.#close();
    } else {
      if (event.key == "Enter") this.#close();
      return;
    }
    event.preventDefault();
  }

  #change() {
    this.read();
    this.changed();
  }

  /** Says what is painted for words that are not the model's own, a moment after the last key. */
  read() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), PAUSE_MS);
  }

  async #ask() {
    this.#request?.abort();
    const request = this.#request = new AbortController(), prompt = at("prompt").value.trim();
    let text = "";
    try {
      if (prompt) {
        const response = await fetch("/read?" + new URLSearchParams({ prompt }), { signal: request.signal });
        if (!response.ok) throw new Error((await response.text()).trim());
        const { readings, unknown } = await response.json();
        text = [...readings.map(({ typed, painted, how }) => `${typed} → ${painted} (${how})`), unknown].filter(Boolean).join("; ");
      }
    } catch (error) {
      if (error.name == "AbortError") return;
      text = error.message;
    }
    at("reading").textContent = text;
  }
}
