// SPDX-License-Identifier: MIT
// The favicon diffusor's network in TensorFlow.js, its wasm backend (SIMD, one thread), run from a folder with its packages.
//   node tensorflow.mjs WEIGHTS.safetensors FOLDER [compare]    FOLDER of icon_cpu --dump-icon
import { createRequire } from 'node:module';
import path from 'node:path';
import { expectPlain, readIcon, readWeights, serve, toBytes } from './icon.mjs';

const require = createRequire(path.join(process.cwd(), 'package.json'));
const tf = require('@tensorflow/tfjs-core');
const wasm = require('@tensorflow/tfjs-backend-wasm');
wasm.setWasmPaths(path.join(path.dirname(require.resolve('@tensorflow/tfjs-backend-wasm')), path.sep));
wasm.setThreadsCount(1);
if (!await tf.setBackend('wasm')) throw new Error('expected the wasm backend of TensorFlow.js, found none');

const [file, folder] = process.argv.slice(2);
const { config: c, tensors } = readWeights(file);
expectPlain(c);
const icon = readIcon(folder, c);
const side = c.width / c.patch, tokens = side * (c.height / c.patch), wide = c.heads * c.head_dim;
const image = [c.channels, c.height, c.width], grid = [c.height / c.patch, side];

// [in,out]: the backend's fast product, XNNPACK's, takes nothing transposed.
const weights = Object.fromEntries(Object.entries(tensors).map(([name, { shape, data }]) =>
  [name, name.endsWith('.weight') ? tf.transpose(tf.tensor(data, shape)) : tf.tensor(data, shape)]));
const modulation = icon.modulation.map((row) => tf.split(tf.tensor(row, [row.length / c.dim, c.dim]), row.length / c.dim));
const noise = icon.noise.map((values) => tf.tensor(values, image));

const linear = (x, name) => tf.matMul(x, weights[`${name}.weight`]);

function norm(x, shift, scale) {
  const away = tf.sub(x, tf.mean(x, -1, true)), variance = tf.mean(tf.square(away), -1, true);
  return tf.add(tf.mul(tf.mul(away, tf.rsqrt(tf.add(variance, c.norm_eps))), tf.add(scale, 1)), shift);
}

function attention(x) {
  const heads = (part, order) => tf.transpose(tf.reshape(part, [tokens, c.heads, c.head_dim]), order);
  const [q, k, v] = tf.split(x, [wide, wide, wide], 1);
  const scores = tf.mul(tf.matMul(heads(q, [1, 0, 2]), heads(k, [1, 2, 0])), 1 / Math.sqrt(c.head_dim));
  return tf.reshape(tf.transpose(tf.matMul(tf.softmax(scores), heads(v, [1, 0, 2])), [1, 0, 2]), [tokens, wide]);
}

function predict(x, tables) {
  let used = 0;
  const next = () => tables[used++];
  const patches = tf.transpose(tf.reshape(x, [c.channels, grid[0], c.patch, grid[1], c.patch]), [1, 3, 0, 2, 4]);
  let y = tf.add(linear(tf.reshape(patches, [tokens, -1]), 'patch_embed'), weights.pos_embed);
  for (let block = 0; block < c.depth; ++block) {
    y = tf.add(y, linear(attention(linear(norm(y, next(), next()), `blocks.${block}.attn.qkv`)), `blocks.${block}.attn.out`));
    const hidden = linear(norm(y, next(), next()), `blocks.${block}.mlp.fc1`);
    y = tf.add(y, linear(tf.mul(hidden, tf.sigmoid(hidden)), `blocks.${block}.mlp.fc2`));
  }
  y = tf.reshape(linear(norm(y, next(), next()), 'final.linear'), [grid[0], grid[1], c.channels, c.patch, c.patch]);
  return tf.reshape(tf.transpose(y, [2, 0, 3, 1, 4]), image);
}

async function paint() {
  let x = noise[0].clone();
  for (let step = 0; step < icon.steps; ++step) {
    const [ofX, ofPrediction, ofNoise] = icon.solver[step];
    const next = tf.tidy(() => tf.add(tf.add(tf.mul(x, ofX), tf.mul(predict(x, modulation[step]), ofPrediction)),
      tf.mul(noise[step + 1], ofNoise)));
    x.dispose();
    x = next;
  }
  const values = await x.data();
  x.dispose();
  return { x: values, rgba: toBytes(values, c) };
}

await serve(paint, icon);
