// SPDX-License-Identifier: MIT
// The page: an icon from words alone, step by step, or from a drawing while one draws.
import { Board } from "./board.js";
import { Follower, paintDrawing } from "./follow.js";
import { addressOf, ask, at, offer, progress, say, show } from "./icon.js";
import { Prompt } from "./prompt.js";
import { Styles } from "./styles.js";

const TYPING_MS = 350, LOOK_MS = 4000, MOST_ON_THE_WALL = 48;
let running = null, newest = 0, from = "noise", board, styles;
/** Steps by what the icon begins with: a drawing's is to follow the hand. */
const stepsFrom = {};

const wish = () => ({ prompt: at("prompt").value.trim(), style: at("style").value, seed: at("seed").value || "0",
  steps: at("steps").value });
const query = w => new URLSearchParams(w).toString();
const drawn = () => from == "drawing";

// From words

/** Server-sent events, read through fetch: an EventSource would hide the reason of a refusal and ask again. */
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
      const [, name, data] = /^event: (.*)\ndata: (.*)$/.exec(text.slice(0, end));
      yield [name, JSON.parse(data)];
    }
  }
}

async function paintWords() {
  running?.abort();
  const mine = running = new AbortController(), w = wish(), start = performance.now();
  at("stop").disabled = false;
  say("waiting for the first step …");
  try {
    const response = await fetch("/paint?" + query(w), { signal: mine.signal });
    if (!response.ok) throw new Error((await response.text()).trim());
    let first = 0;
    for await (const [name, data] of events(response)) {
      if (name == "step") {
        first ||= performance.now() - start;
        await show("data:image/png;base64," + data.png);
        progress(data.step, data.of);
        document.title = `${data.step}/${data.of} ${w.prompt}`;
        say(`step ${data.step} of ${data.of}`);
      } else if (name == "done") {
        document.title = w.prompt || "live favicon";
        document.body.dataset.done = query(w);
        say(`${data.ms.toFixed(0)} ms in the engine, first step after ${first.toFixed(0)} ms` +
          (data.sent < data.of ? `, ${data.of - data.sent} steps skipped` : ""));
        offer(Object.fromEntries(["ico", "png", "webp"].map(kind => [kind, `/icon.${kind}?${query(w)}`])));
        look();
      } else {
        throw new Error(data.text);
      }
    }
  } catch (error) {
    if (mine == running) say(error.name == "AbortError" ? "stopped" : error.message, error.name != "AbortError");
  }
  if (mine == running) {
    running = null;
    at("stop").disabled = true;
  }
}

// From the drawing

const drawing = () => ({ wish: { ...wish(), strength: at("strength").value }, pixels: board.sketch.pixels.slice() });

const follower = new Follower(
  () => {
    if (board.sketch.empty) return say("Draw something, or drop a picture."), null;
    progress(0, 1);
    return drawing();
  },
  async (blob, ms) => {
    if (!drawn()) return;
    await show(await addressOf(blob));
    const { wish: w } = drawing();
    document.title = w.prompt || "live favicon";
    progress(1, 1);
    say(`drawn with strength ${Number(w.strength).toFixed(2)} in ${ms.toFixed(0)} ms`);
    offer(kind => {
      const now = drawing();
      return paintDrawing(kind, now.wish, now.pixels);
    });
    document.body.dataset.drawn = String(Number(document.body.dataset.drawn ?? 0) + 1);
  },
  error => { if (drawn()) say(error.message, true); },
  busy => { if (drawn()) at("stop").disabled = !busy; });

/** What the icon begins with is another thing. */
function begin(now) {
  if (now == from) return;
  stepsFrom[from] = at("steps").value;
  from = now;
  at("steps").value = stepsFrom[from];
  document.querySelector(`[name=from][value=${from}]`).checked = true;
  at("strength-row").hidden = !drawn();
  if (drawn()) {
    running?.abort();
    running = null;  // it has nothing to say any more
  } else {
    follower.stop();
    at("stop").disabled = true;
  }
}

// Both

function paint() {
  if (drawn()) follower.change(true, 0);
  else paintWords();
}

/** A setting is another one: a drawing's icon follows it. */
const follow = (pause_ms = 0) => { if (drawn()) follower.change(true, pause_ms); };

function stop() {
  if (drawn() && follower.busy) say("stopped");
  follower.stop();
  running?.abort();
}

function another() {
  // What is no number stays, and the server says what it expects.
  if (/^[0-9]*$/.test(at("seed").value))
    at("seed").value = String((BigInt(at("seed").value || 0) + 1n) & 0xffffffffffffffffn);
  paint();
}

// The wall

function hang(icon) {
  const item = document.createElement("li"), button = document.createElement("button"), image = new Image();
  button.type = "button";
  image.src = "data:image/png;base64," + icon.png;
  button.title = image.alt = `${icon.prompt || "anything"}, ${icon.style || "no style"}, seed ${icon.seed}, ` +
    `${icon.steps} steps, ${icon.ms.toFixed(0)} ms`;
  button.onclick = () => {
    begin("noise");
    for (const name of ["prompt", "seed", "steps"]) at(name).value = icon[name];
    styles.choose(icon.style);
    prompt.read();
    paint();
  };
  button.append(image);
  item.append(button);
  at("wall").prepend(item);
  while (at("wall").childElementCount > MOST_ON_THE_WALL) at("wall").lastElementChild.remove();
}

let looking = null;
function look() {
  return looking ??= (async () => {
    try {
      for (const icon of await (await fetch("/recent?after=" + newest)).json()) {
        newest = icon.id;
        hang(icon);
      }
    } finally {
      looking = null;
    }
  })();
}

// Start

const prompt = new Prompt(() => follow(TYPING_MS));
at("form").onsubmit = event => { event.preventDefault(); paint(); };
at("next").onclick = another;
at("stop").onclick = stop;
for (const id of ["seed", "steps"]) at(id).addEventListener("input", () => follow(TYPING_MS));
for (const radio of document.querySelectorAll("[name=from]"))
  radio.onchange = () => { begin(radio.value); follow(); };
const strength = () => { at("strength-text").value = Number(at("strength").value).toFixed(2); };
at("strength").oninput = () => { strength(); follower.change(false); };
at("strength").onchange = () => follow();
strength();
addEventListener("keydown", event => {
  if (event.key == "Escape") stop();
  if (event.altKey && event.code == "KeyN") { event.preventDefault(); another(); }
});

const facts = await ask("/status");
at("facts").textContent = `${facts.model} on ${facts.device}`;
at("steps").max = facts.most_steps;
stepsFrom.drawing = facts.steps;
at("steps").value = Math.min(16, facts.most_steps);
for (const id of ["sketch", "canvas"]) at(id).style.aspectRatio = `${facts.width} / ${facts.height}`;
board = new Board(facts.width, facts.height, settled => { begin("drawing"); follower.change(settled); }, text => say(text, true));
styles = new Styles(facts.styles, () => follow());
styles.choose(facts.styles.includes("fluent-emoji") ? "fluent-emoji" : "");
await Promise.all([look().catch(() => {}), prompt.load()]);  // the wall is looked at again and again
if (!running && !follower.busy) say("Watch this tab's icon.");
styles.load().catch(() => {});
if (matchMedia("(hover: hover)").matches) at("prompt").focus({ preventScroll: true });  // elsewhere a keyboard comes up
document.body.dataset.ready = "yes";
setInterval(() => { if (!document.hidden) look().catch(() => {}); }, LOOK_MS);
