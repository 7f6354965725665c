// SPDX-License-Identifier: MIT
// The icon that is shown, here and as the tab's, and what is said of it.

export const at = id => document.getElementById(id);

export function say(text, bad = false) {
  at("status").textContent = text;
  at("status").toggleAttribute("data-bad", bad);
}

const AGAIN_MS = 2000;

/** What the server answers, as an object. One that is full or away is said to be, and asked again until it is not. */
export async function ask(path) {
  for (;;) {
    const response = await fetch(path).catch(() => null);
    const found = response?.ok && await response.json().catch(() => null);  // null: it broke off
    if (found) return found;
    if (response && !response.ok && response.status != 503) {
      const text = (await response.text()).trim();
      say(text, true);
      throw new Error(text);
    }
    say(response?.status == 503 ? "The server is full. Asking again …" : "The server does not answer. Asking again …", true);
    await new Promise(done => setTimeout(done, AGAIN_MS));
  }
}

/** `address`: of a PNG file, as data. */
export async function show(address) {
  at("favicon").href = address;
  const image = new Image();
  image.src = address;
  await image.decode();
  at("canvas").width = image.naturalWidth;
  at("canvas").height = image.naturalHeight;
  at("canvas").getContext("2d").drawImage(image, 0, 0);
}

export function progress(step, of) {
  at("progress").max = of;
  at("progress").value = step;
}

export const addressOf = blob => new Promise((done, failed) => {
  const reader = new FileReader();
  reader.onload = () => done(reader.result);
  reader.onerror = () => failed(reader.error);
  reader.readAsDataURL(blob);
});

/** What the links give: addresses, or a function from the kind of file to a promise of a blob. */
export function offer(source) {
  for (const kind of ["ico", "png", "webp"]) {
    const link = at(kind);
    link.setAttribute("aria-disabled", "false");
    link.href = typeof source == "function" ? "#" : source[kind];
    link.onclick = typeof source != "function" ? null : async event => {
      event.preventDefault();
      try {
        const file = document.createElement("a");
        file.href = URL.createObjectURL(await source(kind));
        file.download = link.download;
        file.click();
        setTimeout(() => URL.revokeObjectURL(file.href), 10000);
      } catch (error) {
        say(error.message, true);
      }
    };
  }
}
