// SPDX-License-Identifier: MIT
// The icon that is shown, here and as the tab's, and what is said of it.

export const at = id => document.getElementById(id);

export function say(text, bad = false) {
  at("status").textContent = text;
  at("status").toggleAttribute("data-bad", bad);
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
