// SPDX-License-Identifier: MIT
// A recorded program on host memory: one arena, one scratch, each op a loop over the thread pool.
#pragma once

#include <memory>
#include <optional>
#include <type_traits>
#include <vector>

#include "engine/cpu/kernels/kernels.h"
#include "engine/cpu/memory.h"
#include "engine/cpu/thread_pool.h"
#include "engine/cpu/weight_store.h"
#include "engine/executor.h"
#include "engine/open_runs.h"

namespace dit::cpu {

/// Ops of a step that each row of the batch goes through for itself.
template <class What>
inline constexpr bool is_by_rows =
    std::is_same_v<What, op::ModulatedLinear> || std::is_same_v<What, op::Attention> ||
    std::is_same_v<What, op::GatedLinearAdd> || std::is_same_v<What, op::Final> || std::is_same_v<What, op::Conv>;

/// owner   borrows the pool and the weights from the Executor
/// thread  as in executor.h
class CpuPlan final : public Plan {
 public:
  /// errors  out_of_memory; wrong_format if a weight is missing or a tensor has the wrong kind
  /// product  how products multiply: f32; bf16 or i16 all of a step; i8 those inside the blocks whose depth allows it
  CpuPlan(Program program, WeightStore& weights, ThreadPool& pool, DType product = DType::f32);

  void set_request(const Request& request) override;
  void prepare(const std::atomic<bool>& cancel) override;
  Ticket submit(std::span<const IconPoint> icons, std::uint32_t first, std::uint32_t last) override;
  void wait(const Ticket& ticket, std::uint32_t step, const std::atomic<bool>& cancel) override;
  void read(const Ticket& ticket, std::uint32_t icon, std::span<std::uint8_t> out) override;
  void drop() override { runs_.close_all(); }
  std::span<const IconPoint> icons() const noexcept override { return icons_; }
  std::vector<float> read(TensorId id) override;
  void write(TensorId id, std::span<const float> values) override;
  void capture(bool prepare, std::uint32_t step, const Checkpoint& checkpoint) override;
  const Program& program() const noexcept override { return program_; }

 private:
  /// Where a tensor is; one of the three is set.
  struct Place {
    float* values = nullptr;               // activation
    std::uint8_t* bytes = nullptr;         // rgba
    const PackedMatrix* matrix = nullptr;  // weight used as the right side of a product
    const float* vector = nullptr;         // weight used in any other way
  };
  struct Sizes;
  /// Rows of the batch that an op is asked for: of all by all threads together, or of some by one thread alone.
  struct Part {
    std::size_t first = 0, rows = 0;
    std::optional<unsigned> thread;
  };
  /// Consecutive ops [first, last) of a step whose rows need nothing of each other.
  struct Stretch {
    std::size_t first, last;
  };

  void place_weights(WeightStore& weights);
  void place_activations();
  void find_stretches();
  /// Rows that one thread takes at a time through a stretch; 0: all threads share each op.
  std::size_t rows_at_a_time() const noexcept;
  void execute(const Op& op, std::uint32_t step) { execute(op, step, {0, program_.shape.rows(), {}}); }
  void execute(const Op& op, std::uint32_t step, const Part& part);
  void execute(const Stretch& stretch, std::uint32_t step);
  void execute_all(const std::vector<Op>& ops, std::uint32_t step, const std::atomic<bool>& cancel);
  void execute_step(const Run& run, const std::atomic<bool>& cancel);

  void execute(const op::Noise& o, std::uint32_t step);
  void execute(const op::Linear& o, std::uint32_t step);
  void execute(const op::HeadNorm& o, std::uint32_t step);
  void execute(const op::Embed& o, std::uint32_t step);
  void execute(const op::ModulatedLinear& o, std::uint32_t step, const Part& part);
  void execute(const op::Attention& o, std::uint32_t step, const Part& part);
  void execute(const op::GatedLinearAdd& o, std::uint32_t step, const Part& part);
  void execute(const op::Final& o, std::uint32_t step, const Part& part);
  void execute(const op::Conv& o, std::uint32_t step, const Part& part);
  void execute(const op::Combine& o, std::uint32_t step);
  void execute(const op::ToRgba& o, std::uint32_t step);
  void execute(const op::Begin& o, std::uint32_t step);
  void execute(const op::Hold& o, std::uint32_t step);
  /// Calls use(value of x, its element, its noise of draw 0 where the mix has some) for all of an icon.
  template <typename Use>
  void mix_with_sketch(std::uint32_t icon, TensorId x, const SketchMix& mix, const Use& use);

  /// Where the weight is narrow the left side becomes so first.
  void multiply(Product product, const Part& part);
  void narrow(Product& product, const Part& part);
  /// pool_.parallel_for, or by the thread of the part alone.
  template <class Body>
  void for_all(const Part& part, std::size_t count, const Body& body) {
    if (part.thread) {
      body(*part.thread, std::size_t{0}, count);
    } else {
      pool_.parallel_for(count, body);
    }
  }
  /// Whether the matrix of an op is narrow.
  bool is_narrow(const Op& op, const Shape& weight) const;
  /// The left side a [rows,I] times the weight of op `o`, plus its bias, into y [rows,O].
  template <typename ProductOp>
  Product product_of(const ProductOp& o, const float* a, std::size_t rows, float* y) const {
    Product product;
    product.a = a;
    product.rows = rows;
    product.weight = places_[o.weight].matrix;
    product.bias = optional(o.bias);
    product.y = y;
    return product;
  }
  Attention attention_of(const op::Attention& o, std::uint32_t step, const Part& part) const;
  HeadNorm norm_of(const op::HeadNorm& o) const;
  Conv conv_of(const op::Conv& o, const Part& part) const;
  /// Returns the rows.
  const float* normalise(TensorId x, const op::Modulation& modulation, const Norm& kind, std::uint32_t step,
                         const Part& part);
  /// first  row of the batch
  RowTable table(const op::Modulation& modulation, std::uint32_t column, std::size_t tokens, std::uint32_t step,
                 std::size_t first) const;
  /// Of an activation whose first dimension is the batch's rows: what the part begins with.
  float* values_of(TensorId id, const Part& part) const {
    return places_[id].values + part.first * (element_count(shape(id)) / shape(id)[0]);
  }
  const float* optional(TensorId id) const { return id == no_tensor ? nullptr : places_[id].vector; }
  const Shape& shape(TensorId id) const { return program_.tensors[id].shape; }
  const TensorInfo& checked(TensorId id) const;

  Program program_;
  ThreadPool& pool_;
  DType product_ = DType::f32;
  std::vector<Place> places_;  // indexed by TensorId
  Block arena_;
  /// Working memory for each row of the batch, and where it begins.
  struct Room {
    std::size_t row = 0;  // floats
    float* all = nullptr;
  };
  /// A part's place there.
  float* at(const Room& room, const Part& part) const noexcept {
    return room.all + (part.thread ? *part.thread * rows_at_a_time() * room.row : 0);
  }
  Room lhs_;                  // lhs of a product: normed rows or patches
  Room narrow_;               // a left side as such
  Room scales_;               // and its scales
  Room features_;             // result of Final before it becomes an image
  float* scratch_ = nullptr;  // of each thread
  std::size_t scratch_floats_ = 0;

  std::vector<Stretch> stretches_;
  OpenRuns runs_;
  std::vector<IconPoint> icons_;        // of the request
  std::span<const IconPoint> painted_;  // of what is executed: a run's, or those of the request
  std::uint32_t length_ = 0;            // steps that the request can run
  std::vector<std::uint32_t> modulation_row_;
  std::vector<SolverRow> solver_;
  std::vector<std::uint32_t> solver_row_;
};

}  // namespace dit::cpu
