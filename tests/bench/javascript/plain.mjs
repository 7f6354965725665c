// SPDX-License-Identifier: MIT
// The favicon diffusor's network in plain JavaScript: loops over typed arrays, one thread, no library.
//   node plain.mjs WEIGHTS.safetensors FOLDER [compare]    FOLDER of icon_cpu --dump-icon
import { expectPlain, readIcon, readWeights, serve, toBytes } from './icon.mjs';

const [file, folder] = process.argv.slice(2);
const { config: c, tensors } = readWeights(file);
expectPlain(c);
const icon = readIcon(folder, c);
const side = c.width / c.patch, tokens = side * (c.height / c.patch), wide = c.heads * c.head_dim, features = c.channels * c.patch ** 2;

/** y [rows,out] (+)= x [rows,k] W^T, W [out,k]. Four by four results at a time stay in registers. */
function product(x, xStride, weight, wStride, y, yStride, rows, out, k, add) {
  for (let i = 0; i < rows; i += 4) {
    const x0 = i * xStride, x1 = x0 + xStride, x2 = x1 + xStride, x3 = x2 + xStride;
    for (let j = 0; j < out; j += 4) {
      const w0 = j * wStride, w1 = w0 + wStride, w2 = w1 + wStride, w3 = w2 + wStride;
      let s00 = 0, s01 = 0, s02 = 0, s03 = 0, s10 = 0, s11 = 0, s12 = 0, s13 = 0;
      let s20 = 0, s21 = 0, s22 = 0, s23 = 0, s30 = 0, s31 = 0, s32 = 0, s33 = 0;
      for (let d = 0; d < k; ++d) {
        const a = x[x0 + d], b = x[x1 + d], e = x[x2 + d], f = x[x3 + d];
        const p = weight[w0 + d], q = weight[w1 + d], r = weight[w2 + d], s = weight[w3 + d];
        s00 += a * p; s01 += a * q; s02 += a * r; s03 += a * s;
        s10 += b * p; s11 += b * q; s12 += b * r; s13 += b * s;
        s20 += e * p; s21 += e * q; s22 += e * r; s23 += e * s;
        s30 += f * p; s31 += f * q; s32 += f * r; s33 += f * s;
      }
      const sums = [s00, s01, s02, s03, s10, s11, s12, s13, s20, s21, s22, s23, s30, s31, s32, s33];
      for (let u = 0; u < 4; ++u)
        for (let v = 0; v < 4; ++v) {
          const at = (i + u) * yStride + j + v;
          y[at] = add ? y[at] + sums[4 * u + v] : sums[4 * u + v];
        }
    }
  }
}

function linear(x, name, y, rows, add = false) {
  const { shape: [out, k], data } = tensors[`${name}.weight`];
  product(x, k, data, k, y, out, rows, out, k, add);
}

/** (x - mean)/sqrt(var + eps) (1 + scale) + shift, row by row. */
function norm(x, shift, scale, y) {
  for (let row = 0; row < tokens; ++row) {
    const at = row * c.dim;
    let mean = 0, square = 0;
    for (let i = 0; i < c.dim; ++i) mean += x[at + i];
    mean /= c.dim;
    for (let i = 0; i < c.dim; ++i) square += (x[at + i] - mean) ** 2;
    const inverse = 1 / Math.sqrt(square / c.dim + c.norm_eps);
    for (let i = 0; i < c.dim; ++i) y[at + i] = (x[at + i] - mean) * inverse * (1 + scale[i]) + shift[i];
  }
}

function softmax(scores) {
  for (let row = 0; row < tokens; ++row) {
    const line = scores.subarray(row * tokens, (row + 1) * tokens);
    let largest = -Infinity, sum = 0;
    for (let i = 0; i < tokens; ++i) largest = Math.max(largest, line[i]);
    for (let i = 0; i < tokens; ++i) sum += line[i] = Math.exp(line[i] - largest);
    for (let i = 0; i < tokens; ++i) line[i] /= sum;
  }
}

const patches = new Float32Array(tokens * features), residual = new Float32Array(tokens * c.dim), normed = new Float32Array(tokens * c.dim);
const qkv = new Float32Array(tokens * 3 * wide), q = new Float32Array(tokens * c.head_dim), turned = new Float32Array(tokens * c.head_dim);
const scores = new Float32Array(tokens * tokens), attended = new Float32Array(tokens * wide), hidden = new Float32Array(tokens * c.mlp_dim);

function attention() {
  for (let head = 0; head < c.heads; ++head) {
    const from = head * c.head_dim, scale = 1 / Math.sqrt(c.head_dim);
    for (let t = 0; t < tokens; ++t)
      for (let d = 0; d < c.head_dim; ++d) {
        q[t * c.head_dim + d] = scale * qkv[t * 3 * wide + from + d];
        turned[d * tokens + t] = qkv[t * 3 * wide + 2 * wide + from + d];
      }
    product(q, c.head_dim, qkv.subarray(wide + from), 3 * wide, scores, tokens, tokens, tokens, c.head_dim, false);
    softmax(scores);
    product(scores, tokens, turned, tokens, attended.subarray(from), wide, tokens, c.head_dim, tokens, false);
  }
}

/** Where pixel (channel, y, x) of token t lies in the picture, for each feature of the token. */
const places = new Int32Array(tokens * features);
for (let t = 0; t < tokens; ++t)
  for (let f = 0; f < features; ++f) {
    const channel = Math.floor(f / c.patch ** 2), y = Math.floor(f / c.patch) % c.patch, x = f % c.patch;
    places[t * features + f] = (channel * c.height + Math.floor(t / side) * c.patch + y) * c.width + (t % side) * c.patch + x;
  }

/** The network's prediction of a step into `patches`. */
function predict(x, modulation) {
  let used = 0;
  const next = () => modulation.subarray(used, used += c.dim);
  for (let i = 0; i < patches.length; ++i) patches[i] = x[places[i]];
  residual.set(tensors.pos_embed.data);
  linear(patches, 'patch_embed', residual, tokens, true);
  for (let block = 0; block < c.depth; ++block) {
    norm(residual, next(), next(), normed);
    linear(normed, `blocks.${block}.attn.qkv`, qkv, tokens);
    attention();
    linear(attended, `blocks.${block}.attn.out`, residual, tokens, true);
    norm(residual, next(), next(), normed);
    linear(normed, `blocks.${block}.mlp.fc1`, hidden, tokens);
    for (let i = 0; i < hidden.length; ++i) hidden[i] /= 1 + Math.exp(-hidden[i]);
    linear(hidden, `blocks.${block}.mlp.fc2`, residual, tokens, true);
  }
  norm(residual, next(), next(), normed);
  linear(normed, 'final.linear', patches, tokens);
}

function paint() {
  const x = Float32Array.from(icon.noise[0]);
  for (let step = 0; step < icon.steps; ++step) {
    const [ofX, ofPrediction, ofNoise] = icon.solver[step], z = icon.noise[step + 1];
    predict(x, icon.modulation[step]);
    for (let i = 0; i < patches.length; ++i) {
      const at = places[i];
      x[at] = ofX * x[at] + ofPrediction * patches[i] + ofNoise * z[at];
    }
  }
  return { x, rgba: toBytes(x, c) };
}

await serve(paint, icon);
