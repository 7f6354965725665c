// SPDX-License-Identifier: MIT
#include "tests/reference/ops.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace dit::reference {

Values linear(const Values& x, const Values& w, const Values& bias, std::size_t in, std::size_t out) {
  const std::size_t rows = x.size() / in;
  Values y(rows * out);
  for (std::size_t m = 0; m < rows; ++m) {
    for (std::size_t o = 0; o < out; ++o) {
      double sum = bias.empty() ? 0 : bias[o];
      for (std::size_t i = 0; i < in; ++i) sum += x[m * in + i] * w[o * in + i];
      y[m * out + o] = sum;
    }
  }
  return y;
}

Values norm(const Values& x, std::size_t dim, const Norm& kind) {
  const bool layer = kind.type == Norm::Type::layer;
  const double count = static_cast<double>(dim), divisor = kind.unbiased ? count - 1 : count;
  Values y(x.size());
  for (std::size_t row = 0; row < x.size(); row += dim) {
    double mean = 0, variance = 0;
    for (std::size_t i = 0; i < dim; ++i) mean += layer ? x[row + i] / count : 0;
    for (std::size_t i = 0; i < dim; ++i) variance += std::pow(x[row + i] - mean, 2) / divisor;
    const double deviation = kind.eps_outside ? std::sqrt(variance) + kind.eps : std::sqrt(variance + kind.eps);
    for (std::size_t i = 0; i < dim; ++i) y[row + i] = (x[row + i] - mean) / deviation;
  }
  return y;
}

Values modulate(const Values& x, const Table& table, const op::Modulation& m, std::size_t dim) {
  const std::size_t per_row = x.size() / table.rows.size();
  Values y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t row = i / per_row, d = i % dim;
    y[i] = x[i] * (1 + table.at(row, m.scale + d)) + table.at(row, m.shift + d);
  }
  return y;
}

Values patchify(const Values& x, const Shape& image, std::size_t rows, std::size_t p, std::size_t v) {
  const std::size_t batch = image[0], C = image[1], H = image[2], W = image[3], border = (v - p) / 2;
  Values y;
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t gy = 0; gy < H / p; ++gy)
      for (std::size_t gx = 0; gx < W / p; ++gx)
        for (std::size_t c = 0; c < C; ++c)
          for (std::size_t wy = gy * p; wy < gy * p + v; ++wy)
            for (std::size_t wx = gx * p; wx < gx * p + v; ++wx) {
              const bool inside = wy >= border && wy < H + border && wx >= border && wx < W + border;
              y.push_back(inside ? x[(((r % batch) * C + c) * H + wy - border) * W + wx - border] : 0);
            }
  return y;
}

Values unpatchify(const Values& windows, const Shape& image, std::size_t p, std::size_t v) {
  const std::size_t C = image[1], H = image[2], W = image[3], border = (v - p) / 2;
  Values y(element_count(image), 0.0);
  std::size_t i = 0;
  for (std::size_t r = 0; r < image[0]; ++r)
    for (std::size_t gy = 0; gy < H / p; ++gy)
      for (std::size_t gx = 0; gx < W / p; ++gx)
        for (std::size_t c = 0; c < C; ++c)
          for (std::size_t wy = gy * p; wy < gy * p + v; ++wy)
            for (std::size_t wx = gx * p; wx < gx * p + v; ++wx, ++i) {
              const bool inside = wy >= border && wy < H + border && wx >= border && wx < W + border;
              if (inside) y[((r * C + c) * H + wy - border) * W + wx - border] += windows[i];
            }
  return y;
}

Values rms_norm(const Values& x, const Values& weight, double eps) {
  const std::size_t n = weight.size();
  Values y(x.size());
  for (std::size_t row = 0; row < x.size(); row += n) {
    double mean = 0;
    for (std::size_t i = 0; i < n; ++i) mean += x[row + i] * x[row + i] / static_cast<double>(n);
    for (std::size_t i = 0; i < n; ++i) y[row + i] = x[row + i] / std::sqrt(mean + eps) * weight[i];
  }
  return y;
}

Values attention(const AttentionArguments& a) {
  const std::size_t d = a.head_dim, dim = a.heads * d, keys = a.tokens + a.prompts.length;
  const auto head_at = [&](const Values& all, std::size_t at, const Values& norm) {
    const auto first = all.begin() + static_cast<std::ptrdiff_t>(at);
    const Values values(first, first + static_cast<std::ptrdiff_t>(d));
    return norm.empty() ? values : rms_norm(values, norm, a.eps);
  };
  // which: 0 q, 1 k, 2 v
  const auto head_of = [&](std::size_t which, std::size_t r, std::size_t t, std::size_t n, const Values& norm) {
    if (t < a.tokens) return head_at(a.qkv, ((r * a.tokens + t) * 3 + which) * dim + n * d, norm);
    const std::size_t row = a.prompts.rows[r] * a.prompts.length + t - a.tokens;
    return head_at(a.prompts.values, (row * 2 + which - 1) * dim + n * d, {});
  };
  Values y(a.rows * a.tokens * dim, 0.0);
  for (std::size_t r = 0; r < a.rows; ++r)
    for (std::size_t n = 0; n < a.heads; ++n)
      for (std::size_t t = 0; t < a.tokens; ++t) {
        const Values q = head_of(0, r, t, n, a.q_norm);
        Values score(keys, 0.0);
        for (std::size_t u = 0; u < keys; ++u) {
          const Values k = head_of(1, r, u, n, a.k_norm);
          for (std::size_t i = 0; i < d; ++i) score[u] += q[i] * k[i] / std::sqrt(static_cast<double>(d));
        }
        const double highest = *std::max_element(score.begin(), score.end());
        double sum = 0;
        for (double& s : score) sum += s = std::exp(s - highest);
        for (std::size_t u = 0; u < keys; ++u) {
          const Values v = head_of(2, r, u, n, {});
          for (std::size_t i = 0; i < d; ++i) y[(r * a.tokens + t) * dim + n * d + i] += score[u] / sum * v[i];
        }
      }
  return y;
}

Values conv(const Values& z, const Values& w, const Values& bias, const Shape& image, std::size_t out) {
  const std::size_t in = image[1], H = image[2], W = image[3];
  Values y;
  for (std::size_t r = 0; r < image[0]; ++r)
    for (std::size_t o = 0; o < out; ++o)
      for (std::size_t i = 0; i < H * W; ++i) {
        double sum = bias.empty() ? 0 : bias[o];
        for (std::size_t k = 0; k < in * 9; ++k) {
          // Row and column under the tap, one more than those of the image.
          const std::size_t row = i / W + k % 9 / 3, column = i % W + k % 3;
          if (row < 1 || row > H || column < 1 || column > W) continue;
          sum += w[o * in * 9 + k] * z[((r * in + k / 9) * H + row - 1) * W + column - 1];
        }
        y.push_back(sum);
      }
  return y;
}

void gated_add(Values& residual, const Values& y, const Table& table, const op::Modulation& m, std::size_t dim) {
  const std::size_t per_row = y.size() / table.rows.size();
  for (std::size_t i = 0; i < y.size(); ++i)
    residual[i] += (m.gate == op::no_column ? 1 : table.at(i / per_row, m.gate + i % dim)) * y[i];
}

double activate(double x, Activation activation) {
  switch (activation) {
    case Activation::silu:
      return x / (1 + std::exp(-x));
    case Activation::gelu_erf:
      return x * (1 + std::erf(x / std::numbers::sqrt2)) / 2;
    case Activation::gelu_tanh:
      return x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x))) / 2;
    case Activation::none:
      break;
  }
  return x;
}

void combine(const CombineArguments& a, Values& x, Values& history) {
  const std::size_t pixels = x.size() / a.batch;
  const SolverRow& w = a.row;
  const auto term = [](float weight, double value) { return weight == 0 ? 0.0 : weight * value; };
  for (std::size_t i = 0; i < pixels; ++i) {
    const std::size_t at = a.icon * pixels + i;
    double e = a.prediction[at];
    if (a.guided) e = term(w.guidance, e) + term(1 - w.guidance, a.prediction[x.size() + at]);
    const auto slot = [&](std::size_t back) -> double& { return history[((a.step + 4 - back) % 4) * x.size() + at]; };
    slot(0) = term(w.from_x, x[at]) + term(w.from_e, e);
    double next = term(w.a, x[at]) + (w.c == 0 ? 0 : w.c * a.noise(i));
    for (std::size_t back = 0; back < 4; ++back) next += w.b[back] == 0 ? 0 : w.b[back] * slot(back);
    x[at] = next;
  }
}

namespace {

double at_level(const SketchArguments& a, const Level& level, std::size_t element) {
  const std::size_t pixels = std::size_t{a.image[2]} * a.image[3], channel = element / pixels;
  double colour = 0;  // clear black where there is no sketch
  if (!a.sketch.rgba.empty()) {
    const auto pixel = a.sketch.rgba.subspan(4 * (element % pixels), 4);
    colour = pixel[channel] / 255.0 * (a.premultiplied && channel < 3 ? pixel[3] / 255.0 : 1);
  }
  return level.alpha * (2 * colour - 1) + level.sigma * a.noise(element);
}

}  // namespace

void begin(const SketchArguments& a, const Level& level, Values& x) {
  const std::size_t elements = x.size() / a.image[0];
  for (std::size_t i = 0; i < elements; ++i) x[a.icon * elements + i] = at_level(a, level, i);
}

void hold(const SketchArguments& a, const Level& level, Values& x) {
  const std::size_t elements = x.size() / a.image[0], pixels = std::size_t{a.image[2]} * a.image[3];
  for (std::size_t i = 0; i < elements; ++i) {
    const double painted = a.sketch.mask.empty() ? 1 : a.sketch.mask[i % pixels] / 255.0;
    double& value = x[a.icon * elements + i];
    if (painted == 0)
      value = at_level(a, level, i);
    else if (painted < 1)
      value = painted * value + (1 - painted) * at_level(a, level, i);
  }
}

Values to_rgba(const Values& x, const Shape& image, bool premultiplied, Rounding rounding) {
  const double half = rounding == Rounding::nearest ? 0.5 : 0;
  const std::size_t C = image[1], area = std::size_t{image[2]} * image[3];
  const auto unit = [](double v) { return std::isnan(v) ? 0.0 : std::clamp((v + 1) / 2, 0.0, 1.0); };
  Values y;
  for (std::size_t b = 0; b < image[0]; ++b)
    for (std::size_t i = 0; i < area; ++i) {
      bool finite = true;
      for (std::size_t c = 0; c < C; ++c) finite &= std::isfinite(x[(b * C + c) * area + i]);
      if (!finite) {
        for (const double value : {255, 255, 255, 0}) y.push_back(value);
        continue;
      }
      const double alpha = premultiplied ? unit(x[(b * C + 3) * area + i]) : 1;
      const bool clear = std::floor(255 * alpha + half) == 0;
      for (std::size_t c = 0; c < 3; ++c) {
        const double v = unit(x[(b * C + c) * area + i]);
        y.push_back(clear ? 0 : std::floor(255 * std::min(v, alpha) / alpha + half));
      }
      y.push_back(std::floor(255 * alpha + half));
    }
  return y;
}

}  // namespace dit::reference
