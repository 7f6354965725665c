// SPDX-License-Identifier: MIT
// What a buffer says of itself: a custom meta, a GstStructure that any language reads without a header of ours.
#pragma once

#include <gst/gst.h>

#include <string>

#include "plugin/source/stream/stream.h"

namespace dit::plugin {

/// Name of the meta: gst_buffer_get_custom_meta (buffer, "GstDitMeta").
inline constexpr const char* meta_name = "GstDitMeta";

/// What is the same for every buffer of a run.
struct Origin {
  std::string model;       ///< SHA-256 of the weight file, in hex
  std::string model_name;  ///< its file name
  std::string device;
  std::string precision;
};

/// All but the model's hash, which takes a while.
Origin origin_of(const Session& session);

/// Once a process, before the first add_meta.
void register_meta();

/// Fields: seed, index, toward-index (uint64), blend (double: the way a walk has gone from index to toward-index, else
/// 0), step, steps (uint), t, sigma, guidance, strength (double), prompt, read-as (what the lexicon has for the
/// prompt's words that the model has not; mostly empty), toward-prompt, style, sampler, model, model-name, device,
/// precision (string), repeated (boolean: the same picture as the frame before). t and sigma are those of the sample
/// that entered the step.
void add_meta(GstBuffer* buffer, const Caption& caption, const Origin& origin, bool repeated);

}  // namespace dit::plugin
