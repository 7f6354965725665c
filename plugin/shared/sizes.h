// SPDX-License-Identifier: MIT
// A model's size and its integer multiples, in caps.
#pragma once

#include <gst/gst.h>

namespace dit::plugin {

/// In pixels; 0×0: not known yet.
struct Size {
  int width = 0;
  int height = 0;
};

/// Of the multiples of a size that are offered.
int largest_factor(Size size);
/// How many times `model` a size is, both ways; 0 if it is no multiple, or the model is not known.
int factor_of(Size size, Size model);
/// Whether a field of a caps structure may have this value.
bool allows(const GstStructure* structure, const char* field, int value);
bool allows(const GstStructure* structure, const char* field, const char* value);
/// The smallest factor at which a structure allows both sides; 0 if there is none.
int smallest_factor(const GstStructure* structure, Size size);
/// The caps with any multiple as width and any as height. Takes `caps`.
GstCaps* in_multiples(GstCaps* caps, Size size);

}  // namespace dit::plugin
