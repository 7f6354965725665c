// SPDX-License-Identifier: MIT
#include "engine/vulkan/run/ring.h"

#include <bit>
#include <cstring>

#include "engine/error.h"

namespace dit::vulkan {
namespace {

/// What noise.glsl reads of an icon: both keys, low words first, and the two weights of the blend.
using IconWords = std::array<std::uint32_t, 12>;

IconWords icon_words(const IconPoint& point) {
  const BlendWeights weights = blend_weights(point.blend);
  IconWords words{};
  std::size_t at = 0;
  for (const std::uint64_t value : {point.from.seed, point.from.index, point.toward.seed, point.toward.index}) {
    words[at++] = static_cast<std::uint32_t>(value);
    words[at++] = static_cast<std::uint32_t>(value >> 32);
  }
  words[at++] = std::bit_cast<std::uint32_t>(weights.from);
  words[at++] = std::bit_cast<std::uint32_t>(weights.toward);
  return words;
}

}  // namespace

void Ring::put_icons(std::uint32_t entry, std::span<const IconPoint> icons) const {
  Place place = memory_.entry(entry).icons;
  for (const IconPoint& point : icons) {
    const IconWords words = icon_words(point);
    put(place, words);
    place.offset += sizeof(words);
  }
  if (memory_.sketch_pixels() > 0) put_sketches(memory_.entry(entry).sketches, icons);
  place.buffer->flush();
}

/// Clear black and no mask for icons that have none: what lies there is the sketch of another run.
void Ring::put_sketches(const Place& place, std::span<const IconPoint> icons) const {
  const std::size_t pixels = memory_.sketch_pixels();
  std::byte* pictures = place.buffer->mapped() + place.offset;
  std::byte* masks = pictures + icons.size() * pixels * 4;
  const auto put_bytes = [](std::byte* to, std::span<const std::uint8_t> from, int otherwise, std::size_t size) {
    if (from.empty()) {
      std::memset(to, otherwise, size);
    } else {
      std::memcpy(to, from.data(), size);
    }
  };
  for (const IconPoint& icon : icons) {
    put_bytes(pictures, icon.sketch.rgba, 0, 4 * pixels);
    put_bytes(masks, icon.sketch.mask, 255, pixels);
    pictures += 4 * pixels;
    masks += pixels;
  }
}

void Ring::put_range(std::uint32_t entry, const RangeWords& words) const {
  const Place& place = memory_.entry(entry).range;
  put(place, words);
  place.buffer->flush();
}

void Ring::get_picture(std::uint32_t entry, std::uint32_t icon, std::span<std::uint8_t> out) const {
  const Place& place = memory_.entry(entry).pictures;
  memory_.read_back().invalidate();
  std::memcpy(out.data(), place.buffer->mapped() + place.offset + icon * out.size(), out.size());
}

void Ring::clear_status() const {
  const Place status = memory_.of({Region::status});
  std::memset(status.buffer->mapped() + status.offset, 0, 4);
  status.buffer->flush();
}

void Ring::check_status(const std::string& device) const {
  const Place status = memory_.of({Region::status});
  std::uint32_t word = 0;
  memory_.read_back().invalidate();
  std::memcpy(&word, status.buffer->mapped() + status.offset, 4);
  expect(word == 0, ErrorKind::device, "{}: a persistent dispatch gave up at its barrier; use fusion=block", device);
}

}  // namespace dit::vulkan
