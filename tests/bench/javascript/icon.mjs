// SPDX-License-Identifier: MIT
// What the JavaScript contenders of compare_cpu.py share: the network's weights, an icon's tables as icon_cpu --dump-icon
// wrote them, the check of the picture and the protocol of icon_cpu.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import path from 'node:path';

function floats(file) {
  const bytes = readFileSync(file);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

/** {config, tensors: name → {shape, data}} of a safetensors file of f32 alone. */
export function readWeights(file) {
  const bytes = readFileSync(file);
  const size = Number(bytes.readBigUInt64LE(0)), header = JSON.parse(bytes.subarray(8, 8 + size).toString());
  const config = JSON.parse(header.__metadata__.config), tensors = {};
  delete header.__metadata__;
  for (const [name, { dtype, shape, data_offsets: [begin, end] }] of Object.entries(header)) {
    if (dtype !== 'F32') throw new Error(`${file}: ${name}: expected F32, found ${dtype}`);
    const data = bytes.buffer.slice(bytes.byteOffset + 8 + size + begin, bytes.byteOffset + 8 + size + end);
    tensors[name] = { shape, data: new Float32Array(data) };
  }
  return { config, tensors };
}

/** The favicon diffusor's network and no other: no gates, no biases, no norm of q and k, no prompt, no head. */
export function expectPlain(config) {
  const found = JSON.stringify([config.gated, config.bias, config.outer_bias, config.qk_norm, config.activation, config.norm,
    config.context ?? 0, config.detail ?? null, config.window ?? config.patch, config.alpha]);
  const expected = JSON.stringify([false, false, false, false, 'silu', 'layer', 0, null, config.patch, 'none']);
  if (found !== expected) throw new Error(`expected a network of ${expected}, found ${found}`);
}

/** An icon's tables, a row a step. */
export function readIcon(folder, config) {
  const pixels = config.channels * config.height * config.width, noise = floats(path.join(folder, 'noise.f32'));
  const steps = noise.length / pixels - 1, rows = (name) => {
    const all = floats(path.join(folder, name)), width = all.length / steps;
    return Array.from({ length: steps }, (_, step) => all.subarray(step * width, (step + 1) * width));
  };
  return { steps, pixels, solver: rows('solver.f32'), modulation: rows('modulation.f32'),
    noise: Array.from({ length: steps + 1 }, (_, draw) => noise.subarray(draw * pixels, (draw + 1) * pixels)),
    picture: floats(path.join(folder, 'icon.f32')), rgba: new Uint8Array(readFileSync(path.join(folder, 'icon.rgba'))) };
}

/** [C,H,W] in -1…1 to RGBA. */
export function toBytes(x, { height, width }) {
  const area = height * width, rgba = new Uint8ClampedArray(4 * area).fill(255);
  for (let i = 0; i < area; ++i)
    for (let c = 0; c < 3; ++c) rgba[4 * i + c] = Math.floor(255 * Math.min(1, Math.max(0, (x[c * area + i] + 1) / 2)) + 0.5);
  return rgba;
}

/** Largest difference of values from what is expected, of the largest value; NaN where one is no number. */
export function differenceOf(found, expected) {
  let largest = 0, difference = 0;
  for (let i = 0; i < expected.length; ++i) {
    largest = Math.max(largest, Math.abs(expected[i]));
    const away = Math.abs(expected[i] - found[i]);
    if (!(away <= difference)) difference = away;
  }
  return difference / largest;
}

/** Paints once a line of standard input and says how long it took: nanoseconds by the wall clock and of the processor. */
export async function answer(paint) {
  console.log('ready');
  for await (const line of createInterface({ input: process.stdin })) {
    const cpu = process.cpuUsage(), wall = process.hrtime.bigint();
    await paint();
    const nanoseconds = process.hrtime.bigint() - wall, used = process.cpuUsage(cpu);
    console.log(`${nanoseconds} ${(used.user + used.system) * 1000}`);
  }
  process.exit(0);
}

/** How far the icon's values are from ours, and its bytes. */
function compare({ x, rgba }, icon) {
  let bytes = 0;
  for (let i = 0; i < icon.rgba.length; ++i) bytes = Math.max(bytes, Math.abs(icon.rgba[i] - rgba[i]));
  return JSON.stringify({ difference: differenceOf(x, icon.picture), bytes });
}

/** With "compare" as the last argument prints how far the icon is from ours and ends; otherwise paints one a line. */
export async function serve(paint, icon) {
  const first = await paint();
  if (process.argv.at(-1) === 'compare') {
    console.log(compare(first, icon));
    process.exit(0);
  }
  await answer(paint);
}
