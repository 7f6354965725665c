// SPDX-License-Identifier: MIT
// The model's styles as small icons, which the server paints when they are first asked for.
import { at } from "./icon.js";

const PAUSE_MS = 500;

export class Styles {
  /** `changed()`: somebody has chosen another one. */
  constructor(names, changed) {
    for (const name of ["", ...names]) at("style").add(new Option(name || "any", name));
    at("style").onchange = () => { this.#mark(); changed(); };
    for (const value of names) {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", value, title: value, ariaLabel: value });
      button.onclick = () => {
        at("style").value = at("style").value == value ? "" : value;
        this.#mark();
        changed();
      };
      at("styles").append(button);
    }
    this.#mark();
  }

  choose(name) {
    at("style").value = name;
    this.#mark();
  }

  #mark() {
    for (const button of at("styles").children) button.ariaPressed = String(button.value == at("style").value);
  }

  async load() {
    for (let have = 0, of = 1; have < of;) {
      const answer = await (await fetch("/styles?after=" + have)).json();
      of = answer.of;
      for (const { style, png } of answer.styles) {
        const image = new Image();
        image.alt = "";
        if (png) image.src = "data:image/png;base64," + png;
        [...at("styles").children].find(button => button.value == style)?.append(image);
      }
      have += answer.styles.length;
      if (have < of) await new Promise(done => setTimeout(done, PAUSE_MS));
    }
    document.body.dataset.styles = "yes";
  }
}
