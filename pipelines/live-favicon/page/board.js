// SPDX-License-Identifier: MIT
// The board: tools, pointers, keys and pictures that become a drawing.
import { at } from "./icon.js";
import { CLEAR, Sketch } from "./sketch.js";

const COLOURS = ["#e02020", "#f28c1e", "#f7d23e", "#3fa34d", "#2ab7ca", "#2563eb", "#7c3aed", "#ec4899",
  "#000000", "#4b5563", "#9ca3af", "#ffffff", "#7a4a21", "#c98d5a", "#f6c9a0", "#1f3d2b"];

const bytesOf = colour => [1, 3, 5].map(k => parseInt(colour.slice(k, k + 2), 16)).concat(255);

/** `changed(settled)`: the drawing is another one; settled: the pen is up. `failed(text)`: a picture was none. */
export class Board {
  #tool = "pen";
  #last = null;

  constructor(width, height, changed, failed) {
    this.sketch = new Sketch(width, height);
    this.changed = changed;
    this.failed = failed;
    this.canvas = at("sketch");
    this.canvas.width = width;
    this.canvas.height = height;
    this.#listenToPointers();
    this.#listenToTools();
    this.#listenToPictures();
    this.#show();
  }

  #show() {
    const { pixels, width, height, past, future, empty } = this.sketch;
    this.canvas.getContext("2d").putImageData(new ImageData(pixels.slice(), width, height), 0, 0);
    at("undo").disabled = past.length == 0;
    at("redo").disabled = future.length == 0;
    at("hint").hidden = !empty;
  }

  #update(settled) {
    this.#show();
    this.changed(settled);
  }

  // Pointers

  #place(event) {
    const box = this.canvas.getBoundingClientRect(), border = this.canvas.clientLeft;
    return [(event.clientX - box.left - border) / this.canvas.clientWidth * this.sketch.width,
      (event.clientY - box.top - border) / this.canvas.clientHeight * this.sketch.height];
  }

  #draw(x, y) {
    const colour = this.#tool == "eraser" ? CLEAR : bytesOf(at("colour").value);
    this.sketch.line(...(this.#last ?? [x, y]), x, y, Number(at("size").value), colour);
    this.#last = [x, y];
  }

  #listenToPointers() {
    this.canvas.addEventListener("pointerdown", event => {
      if (event.button != 0 || !event.isPrimary) return;
      this.canvas.setPointerCapture(event.pointerId);
      this.sketch.begin();
      const place = this.#place(event);
      if (this.#tool == "fill") {
        this.sketch.fill(...place, bytesOf(at("colour").value));
        return this.#update(true);
      }
      this.#draw(...place);
      this.#update(false);
    });
    this.canvas.addEventListener("pointermove", event => {
      if (this.#last == null || !event.isPrimary) return;
      // Between two frames a quick hand makes more than one of them.
      const events = event.getCoalescedEvents?.() ?? [];
      for (const one of events.length ? events : [event]) this.#draw(...this.#place(one));
      this.#update(false);
    });
    for (const type of ["pointerup", "pointercancel"])
      this.canvas.addEventListener(type, event => {
        if (this.#last == null || !event.isPrimary) return;
        this.#last = null;
        this.#update(true);
      });
  }

  // Tools

  take(tool) {
    this.#tool = tool;
    for (const button of document.querySelectorAll("[data-tool]"))
      button.setAttribute("aria-pressed", String(button.dataset.tool == tool));
  }

  undo() { if (this.#last == null && this.sketch.undo()) this.#update(true); }
  redo() { if (this.#last == null && this.sketch.redo()) this.#update(true); }

  mirror() {
    this.sketch.mirrored = !this.sketch.mirrored;
    at("mirror").setAttribute("aria-pressed", String(this.sketch.mirrored));
  }

  clear() {
    if (this.sketch.empty) return;
    this.sketch.begin();
    this.sketch.pixels.fill(0);
    this.#update(true);
  }

  colour(value) {
    at("colour").value = value;
    for (const button of at("palette").children) button.setAttribute("aria-pressed", String(button.value == value));
    if (this.#tool == "eraser") this.take("pen");
  }

  #listenToTools() {
    for (const button of document.querySelectorAll("[data-tool]")) button.onclick = () => this.take(button.dataset.tool);
    for (const value of COLOURS) {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", value, title: value, onclick: () => this.colour(value) });
      button.style.background = value;
      at("palette").append(button);
    }
    this.colour(COLOURS[0]);
    at("colour").oninput = () => this.colour(at("colour").value);
    at("undo").onclick = () => this.undo();
    at("redo").onclick = () => this.redo();
    at("mirror").onclick = () => this.mirror();
    at("clear").onclick = () => this.clear();
    const size = () => { at("size-text").value = at("size").value; };
    at("size").oninput = size;
    size();
    addEventListener("keydown", event => {
      if (/^(text|number|search)$/.test(event.target.type ?? "") || event.target.tagName == "SELECT") return;
      const key = event.key.toLowerCase();
      if (event.ctrlKey || event.metaKey) {
        const back = key == "z" && !event.shiftKey, forth = key == "y" || (key == "z" && event.shiftKey);
        if (back || forth) event.preventDefault();
        if (back) this.undo();
        if (forth) this.redo();
      } else if (!event.altKey) {
        const tool = { p: "pen", e: "eraser", f: "fill" }[key];
        if (tool) this.take(tool);
        if (key == "m") this.mirror();
      }
    });
  }

  // Pictures

  /** The whole of it in the middle, as large as fits. */
  async put(file) {
    const image = new Image();
    image.src = URL.createObjectURL(file);
    try {
      await image.decode();
      const { width, height } = this.sketch, scale = Math.min(width / image.naturalWidth, height / image.naturalHeight);
      const w = image.naturalWidth * scale, h = image.naturalHeight * scale;
      const context = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d");
      context.imageSmoothingQuality = "high";
      context.drawImage(image, (width - w) / 2, (height - h) / 2, w, h);
      const { data } = context.getImageData(0, 0, width, height);
      this.sketch.begin();
      this.sketch.replace(data);
      this.#update(true);
    } catch {
      this.failed(`'${file.name}' is no picture that this browser can show`);
    } finally {
      URL.revokeObjectURL(image.src);
    }
  }

  #listenToPictures() {
    const picture = files => [...files ?? []].find(file => file.type.startsWith("image/")) ?? files?.[0];
    const holds = event => event.dataTransfer?.types.includes("Files");
    for (const type of ["dragenter", "dragover"])
      addEventListener(type, event => {
        if (!holds(event)) return;
        event.preventDefault();
        at("board").classList.add("dropping");
      });
    addEventListener("dragleave", event => {
      if (event.relatedTarget == null) at("board").classList.remove("dropping");
    });
    addEventListener("drop", event => {
      at("board").classList.remove("dropping");
      if (!holds(event)) return;
      event.preventDefault();
      const file = picture(event.dataTransfer.files);
      if (file) this.put(file);
    });
    addEventListener("paste", event => {
      const file = picture(event.clipboardData?.files);
      if (!file) return;
      event.preventDefault();
      this.put(file);
    });
    at("open").onclick = () => at("file").click();
    at("file").onchange = () => {
      if (at("file").files[0]) this.put(at("file").files[0]);
      at("file").value = "";
    };
  }
}
