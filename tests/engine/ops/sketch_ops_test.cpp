// SPDX-License-Identifier: MIT
// What icons begin with, and what they are held to: on every executor beside the scalar twin.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/engine/ops/ops_test.h"

namespace dit::test {
namespace {

struct Case {
  std::uint32_t batch;
  Shape image;  // [_,C,H,W]
};
// Pixels that fill no word of a mask, elements that fill no four.
const Case cases[] = {{1, {1, 3, 1, 1}}, {3, {1, 4, 3, 5}}, {2, {1, 3, 7, 3}}, {2, {1, 4, 8, 12}}};

/// Bytes of every kind, 0 and 255 often; the same on every run.
std::vector<std::uint8_t> bytes(std::size_t count, std::uint32_t salt) {
  std::vector<std::uint8_t> result(count);
  std::uint32_t state = 12345 + salt;
  for (std::uint8_t& byte : result) {
    state = state * 1664525u + 1013904223u;
    byte = state >> 30 == 0 ? 0 : state >> 30 == 1 ? 255 : static_cast<std::uint8_t>(state >> 16);
  }
  return result;
}

/// A program of sketches whose bytes it keeps: of every icon but the second, which has none.
class SketchCase : public OpCase {
 public:
  explicit SketchCase(const Case& c, std::uint32_t steps = 4)
      : OpCase({.batch = c.batch, .steps = steps, .sketches = true, .masks = true}, DType::f32, c.image),
        premultiplied(c.image[1] == 4) {
    const std::size_t pixels = std::size_t{c.image[2]} * c.image[3];
    for (std::uint32_t b = 0; b < c.batch; ++b) {
      pictures_.push_back(bytes(4 * pixels, b));
      masks_.push_back(bytes(pixels, 100 + b));
    }
    for (std::uint32_t b = 0; b < c.batch; ++b)
      if (b != 1) request().icons[b].sketch = {.rgba = pictures_[b], .mask = masks_[b]};
    // Two tables, one behind the other.
    for (std::uint32_t i = 0; i < steps; ++i) {
      SolverRow& row = request().solver[i];
      row.first = i < 2 ? 0 : 2;
      row.before_alpha = i == 0 ? 0 : 0.6f;
      row.before_sigma = i == 0 ? 1 : 0.4f;
      row.after_alpha = i % 2 ? 1 : 0.8f;
      row.after_sigma = i % 2 ? 0 : 0.3f;
    }
  }

  std::uint8_t mask(std::uint32_t icon, std::size_t pixel) const { return icon == 1 ? 255 : masks_[icon][pixel]; }

  const bool premultiplied;

 private:
  std::vector<std::vector<std::uint8_t>> pictures_, masks_;
};

TEST_P(Ops, BeginMixesSketchAndNoiseAtTheFirstStepOfAnIcon) {
  for (const Case& shape : cases) {
    for (std::uint32_t step = 0; step < 4; ++step) {
      SketchCase c(shape);
      c.add(op::Begin{.x = c.x(), .premultiplied = c.premultiplied});
      c.check(GetParam(), step, 1e-6);
    }
  }
}

TEST_P(Ops, BeginOfNoiseAloneIsTheNoiseToTheBit) {
  for (const Case& shape : cases) {
    SketchCase c(shape, 1);
    c.add(op::Begin{.x = c.x(), .premultiplied = c.premultiplied});
    c.check(GetParam(), 0, 0.0);
  }
}

TEST_P(Ops, BeginOfTheSketchAloneGivesItsBytesBack) {
  // Every byte, opaque and half clear; the twin of to_rgba has the maths.
  OpCase c({.batch = 1, .sketches = true}, DType::f32, {1, 4, 16, 32});
  std::vector<std::uint8_t> picture;
  for (int i = 0; i < 512; ++i) {
    const auto byte = static_cast<std::uint8_t>(i % 256), alpha = static_cast<std::uint8_t>(i < 256 ? 255 : i % 256);
    for (const std::uint8_t value : {byte, static_cast<std::uint8_t>(255 - byte), std::uint8_t{77}, alpha})
      picture.push_back(value);
  }
  c.request().icons[0].sketch.rgba = picture;
  c.request().solver[0].before_alpha = 1;
  c.request().solver[0].before_sigma = 0;
  c.add(op::Begin{.x = c.x(), .premultiplied = true});
  c.check(GetParam(), 0, 1e-6);
  const std::vector<float>& x = c.got(c.x());
  const reference::Values back = reference::to_rgba({x.begin(), x.end()}, {1, 4, 16, 32}, true, Rounding::nearest);
  for (std::size_t i = 0; i < picture.size(); ++i)
    ASSERT_EQ(back[i], picture[i / 4 * 4 + 3] == 0 ? 0 : picture[i]) << "byte " << i;
}

TEST_P(Ops, HoldKeepsWhatIsNotToBePainted) {
  for (const Case& shape : cases) {
    for (std::uint32_t step = 0; step < 4; ++step) {
      SketchCase c(shape);
      std::vector<float>& x = c.initial(c.x());
      const std::size_t elements = x.size() / shape.batch, pixels = std::size_t{shape.image[2]} * shape.image[3];
      for (std::size_t i = 0; i < x.size(); ++i) {
        const std::uint8_t mask = c.mask(static_cast<std::uint32_t>(i / elements), i % elements % pixels);
        if (mask == 0) x[i] = std::numeric_limits<float>::quiet_NaN();  // is not read
      }
      c.add(op::Hold{.x = c.x(), .premultiplied = c.premultiplied});
      c.check(GetParam(), step, 1e-6);
      for (std::size_t i = 0; i < x.size(); ++i) {
        const std::uint8_t mask = c.mask(static_cast<std::uint32_t>(i / elements), i % elements % pixels);
        ASSERT_TRUE(std::isfinite(c.got(c.x())[i])) << "element " << i;
        if (mask == 255) {
          ASSERT_EQ(c.got(c.x())[i], x[i]) << "element " << i;
        }
      }
    }
  }
}

TEST_P(Ops, SketchesOfAnotherSizeAreRefused) {
  const std::vector<std::uint8_t> some(64);
  const auto refused = [&](PlanShape shape, const Sketch& sketch, const char* part) {
    OpCase c(shape, DType::f32, {1, 4, 4, 4});
    if (shape.sketches)
      c.add(op::Begin{.x = c.x(), .premultiplied = true});
    else
      c.add(op::Noise{.x = c.x()});
    c.request().icons[0].sketch = sketch;
    try {
      c.check(GetParam());
      ADD_FAILURE() << "expected an error that names " << part;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  };
  refused({.batch = 1, .sketches = true}, {.rgba = std::span(some).first(60)}, "expected 64 bytes, found 60");
  refused({.batch = 1, .sketches = true}, {.mask = std::span(some).first(16)}, "mask of the sketch: expected 0 bytes");
  refused({.batch = 1, .sketches = true, .masks = true}, {.mask = some}, "expected 16 bytes, found 64");
  refused({.batch = 1}, {.rgba = some}, "sketch: expected 0 bytes, found 64");
}

}  // namespace
}  // namespace dit::test
