// SPDX-License-Identifier: MIT
// A tiled group as the fields that the fused kernels read; see shaders/common/stage.h. Knows no Vulkan.
#pragma once

#include "engine/vulkan/compile/emit.h"

namespace dit::vulkan {

/// Writes one stage after the other, and lists the weights that they read.
class StageWriter {
 public:
  /// All must outlive it.
  StageWriter(const Program& program, const Layouts& layouts, const Target& target, const Places& places,
              PackingList& packing)
      : program_(program),
        layouts_(layouts),
        target_(target),
        places_(places),
        packing_(packing),
        columns_(column_groups(program)) {}

  params::Stage write(const TiledGroup& t);

 private:
  const Shape& shape(TensorId id) const { return program_.tensor(id).shape; }
  const std::string& name(TensorId id) const { return program_.tensor(id).name; }

  /// A stage of `work` whose rows are those of a tensor [R,T,…].
  params::Stage blank(Work work, std::uint32_t rows, std::uint32_t tokens) const;
  void image(params::Stage& s, const Shape& shape, TensorId x) const;
  void modulation(params::Stage& s, const op::Modulation& m, std::uint32_t width, const Norm* norm) const;
  void product(params::Stage& s, const Product& product, Order weight = {}, Order bias = {});
  void attention(params::Stage& s, const op::Attention& o);

  // What an op's groups have in common.
  params::Stage of(const op::Noise& o, const Group& group);
  params::Stage of(const op::Embed& o, const Group& group);
  params::Stage of(const op::ModulatedLinear& o, const Group& group);
  params::Stage of(const op::Attention& o, const Group& group);
  params::Stage of(const op::GatedLinearAdd& o, const Group& group);
  params::Stage of(const op::Final& o, const Group& group);
  params::Stage of(const op::Combine& o, const Group& group);
  params::Stage of(const op::ToRgba& o, const Group& group);
  params::Stage of(const op::Begin& o, const Group& group);
  params::Stage of(const op::Hold& o, const Group& group);
  params::Stage of(const op::Linear& o, const Group& group);
  params::Stage of(const op::HeadNorm& o, const Group& group);
  params::Stage of(const op::Conv& o, const Group& group);
  void pixels(params::Stage& s, const op::Final& o, const Group& group);
  params::Stage head(const Group& group);
  void head_weights(params::Stage& s, const HeadShape& shape);

  params::Stage sketched(TensorId x, bool premultiplied, const Group& group) const;
  void add_next_norm(params::Stage& s, const op::ModulatedLinear& next) const;
  void size(params::Stage& s, const TiledGroup& t) const;

  const Program& program_;
  const Layouts& layouts_;
  const Target& target_;
  const Places& places_;
  PackingList& packing_;
  const std::vector<ColumnGroups> columns_;
};

}  // namespace dit::vulkan
