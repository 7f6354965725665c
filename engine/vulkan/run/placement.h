// SPDX-License-Identifier: MIT
// Where everything lies that a plan's kernels bind: activations, the request, what the host reads back, the weights.
#pragma once

#include <array>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "engine/open_runs.h"
#include "engine/vulkan/compile/kernel_call.h"
#include "engine/vulkan/compile/layout.h"
#include "engine/vulkan/device/device.h"

namespace dit::vulkan {

/// Bytes of a buffer, as a descriptor binds them: a whole number of words.
struct Place {
  const Buffer* buffer = nullptr;
  std::uint64_t offset = 0;
  std::uint64_t size_bytes = 0;
};

/// Lays places one after the other, each where a descriptor may start.
class Layout {
 public:
  explicit Layout(const Device& device);
  Place add(const Buffer& buffer, std::uint64_t size_bytes);
  /// Size that the buffer needs; at least one word.
  std::uint64_t total_bytes() const;

 private:
  std::uint64_t alignment_, total_ = 0;
};

/// A weight on the device. The type is the device's: f32 for vectors whatever the file holds; for matrices f32, f16,
/// int8_g32 or int4_g32, the last two with the scales behind the integers.
struct PlacedWeight {
  Place place;
  DType dtype = DType::f32;
  Shape shape;
};

struct PlacedWeights {
  Buffer buffer;
  Place normal_table;
  std::map<std::string, PlacedWeight> tensors;
};

/// What a run has to itself, all mapped. The host reads the pictures of one run while the device works on the next, and
/// has the words of a third.
struct RingEntry {
  Place icons, range;  ///< copied to Region::icons and Region::range when the run begins
  Place sketches;      ///< likewise, where the program has such
  Place pictures;      ///< a copy of Region::pictures when it ends
};

/// Writes a vector of words, or an array, to where a mapped place is.
template <typename Words>
void put(const Place& place, const Words& words) {
  std::memcpy(place.buffer->mapped() + place.offset, words.data(), words.size() * sizeof(words[0]));
}

/// Owns a plan's buffers. Activations never share memory, so that each can be read after any step.
/// The condition and the context lie in the request, which is mapped, and are not copied.
class Placement {
 public:
  /// `weights` must outlive the placement.
  /// errors  wrong_format (a weight is missing or has another shape), unsupported, out_of_memory
  /// fused  whether the fused kernels run: they see all activations as one arena, and read stages
  Placement(Device& device, const PlacedWeights& weights, const Program& program, const Layouts& layouts, bool fused);
  Placement(const Placement&) = delete;
  Placement& operator=(const Placement&) = delete;

  Place of(const Operand& operand) const;
  const Place& tensor(TensorId id) const { return tensors_.at(id); }
  /// Type of each tensor; f32 for activations.
  const std::vector<DType>& types() const { return types_; }

  /// Where the fused kernels keep what passes between two of them.
  const Place& lhs_scratch() const { return lhs_scratch_; }
  const Place& row_scratch() const { return row_scratch_; }
  void set_packed_weights(const Place& place) { packed_weights_ = place; }

  /// H·W of a sketch; 0 where the program has none.
  std::size_t sketch_pixels() const { return sketch_pixels_; }
  const RingEntry& entry(std::uint32_t i) const { return ring_.at(i); }

  const Buffer& arena() const { return arena_; }
  const Buffer& pictures() const { return picture_buffer_; }
  const Buffer& words() const { return words_; }
  const Buffer& request() const { return request_; }
  const Buffer& read_back() const { return read_back_; }

 private:
  Place place_weight(TensorId id, const TensorInfo& tensor);
  void place_sketches(const Program& program, Layout& arena, Layout& request);

  const PlacedWeights& weights_;
  Buffer arena_, picture_buffer_, words_, request_, read_back_, stages_;
  std::array<RingEntry, OpenRuns::entries> ring_;
  std::vector<Place> tensors_;
  std::vector<DType> types_;
  Place row_stats_, windows_, prepared_, icons_, modulation_row_, solver_, solver_row_, sketches_;
  std::size_t sketch_pixels_ = 0;
  Place arena_place_, packed_weights_, stages_place_, pictures_, control_, range_, status_, lhs_scratch_, row_scratch_;
};

}  // namespace dit::vulkan
