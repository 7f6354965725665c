// SPDX-License-Identifier: MIT
// The favicon diffusor's tensors <-> a model of ours: names, the layout of its matrices, the configuration that its
// file does not state. source: neelr/favicon-diffusion, its page's shaders and sampler
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "engine/model/weights.h"

namespace dit::wts1 {

/// What wts1::parse() read, under our names and with metadata "format" and "config", ready for Model::from. Sizes come
/// from the shapes. Exporters wrote matrices as [out,in] and as [in,out]: tensors that are not square tell which.
/// changes  text of a JSON object whose keys replace the inferred configuration, e.g. {"norm": "torch"}; may be empty
/// file     name in error texts
/// errors   wrong_format: a tensor missing, unknown or of another shape; a mix of the two layouts, or only square
/// tensors;
///          `changes` no object, or a key that such a model does not have
std::shared_ptr<const Weights> to_model(const std::shared_ptr<const Weights>& tensors, const std::string& file,
                                        const std::string& changes);

struct FromModel {
  std::shared_ptr<const Weights> tensors;  ///< under WTS1's keys, matrices as [out,in]
  std::string changes;                     ///< what the reader must be told, to be kept at changes_path(); may be empty
};
/// The way back, from a model of ours as to_model() or a safetensors file has it.
/// errors  unsupported: a tensor that WTS1 has no key for (biases, words, gates), positions of another kind, a
///         configuration that no favicon diffusor has; wrong_format: shapes that do not go together
FromModel from_model(const std::shared_ptr<const Weights>& model);

/// The file beside a WTS1 file whose keys replace the inferred configuration: "hippo.wts" -> "hippo.wts.json".
std::filesystem::path changes_path(const std::filesystem::path& weights);
/// Its text; empty if there is no such file. errors: unreadable
std::string read_changes(const std::filesystem::path& weights);
/// Whether it is such a text, or empty, and not somebody's other file.
bool are_changes(const std::string& text);

}  // namespace dit::wts1
