// SPDX-License-Identifier: MIT
// Paints icons with ONNX Runtime on request, for compare_cpu.py: the protocol of icon_cpu, the graph of export_onnx.py.
//   node icon_onnx.mjs GRAPH THREADS STEPS [FOLDER]    with FOLDER: compares one step with icon_cpu --dump, then ends
// Only the passes through the graph are timed; noise, solver and bytes are not, which favours ONNX Runtime.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { answer, differenceOf } from './javascript/icon.mjs';

const [graph, threads, steps, folder] = process.argv.slice(2);
const ort = createRequire(path.join(process.cwd(), 'package.json'))('onnxruntime-node');
const session = await ort.InferenceSession.create(graph, {
  executionProviders: ['cpu'], graphOptimizationLevel: 'all', executionMode: 'sequential',
  intraOpNumThreads: Number(threads), interOpNumThreads: 1,
});

function tensor(name, value) {
  const shape = session.inputMetadata.find((input) => input.name === name).shape;
  const size = shape.reduce((product, side) => product * side, 1);
  const data = typeof value === 'function' ? Float32Array.from({ length: size }, value) : value;
  return new ort.Tensor('float32', data, shape);
}

function read(name) {
  const bytes = readFileSync(path.join(folder, name));
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}

const hasPrompts = session.inputNames.includes('prompts');

if (folder) {
  const feeds = { x: tensor('x', read('x.f32')), modulation: tensor('modulation', read('modulation.f32')),
    a: tensor('a', () => 0), b: tensor('b', () => 1) };
  if (hasPrompts) feeds.prompts = tensor('prompts', read('prompts.f32'));
  const { prediction } = await session.run(feeds, ['prediction']);
  const expected = read('prediction.f32');
  console.log(differenceOf(prediction.data, expected));
  process.exit(0);
}

const start = tensor('x', () => 2 * Math.random() - 1);
const constants = { modulation: tensor('modulation', () => 0.2 * Math.random() - 0.1), a: tensor('a', () => 0.5),
  b: tensor('b', () => 0.5) };
if (hasPrompts) constants.prompts = tensor('prompts', () => 2 * Math.random() - 1);
async function paint() {
  let x = start;
  for (let step = 0; step < Number(steps); ++step) x = (await session.run({ x, ...constants }, ['next'])).next;
}

await paint();
await answer(paint);
