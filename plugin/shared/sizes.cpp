// SPDX-License-Identifier: MIT
#include "plugin/shared/sizes.h"

#include <algorithm>

namespace dit::plugin {
namespace {

/// The largest side; beyond it nobody wants nearest neighbour, and sizes in bytes come near the limits of int.
constexpr int max_side = 16384;

/// `side`, 2 · side, … , factors · side.
void set_multiples(GstCaps* caps, const char* field, int side, int factors) {
  GValue range = G_VALUE_INIT;
  if (factors == 1) {
    gst_caps_set_simple(caps, field, G_TYPE_INT, side, nullptr);
    return;
  }
  g_value_init(&range, GST_TYPE_INT_RANGE);
  gst_value_set_int_range_step(&range, side, side * factors, side);
  gst_caps_set_value(caps, field, &range);
  g_value_unset(&range);
}

/// Clears `wanted`.
bool allows(const GstStructure* structure, const char* field, GValue* wanted) {
  const GValue* allowed = gst_structure_get_value(structure, field);
  const bool can = allowed == nullptr || gst_value_intersect(nullptr, allowed, wanted) != FALSE;
  g_value_unset(wanted);
  return can;
}

}  // namespace

int largest_factor(Size size) { return std::max(1, max_side / std::max(size.width, size.height)); }

int factor_of(Size size, Size model) {
  if (model.width <= 0 || model.height <= 0) return 0;
  const int factor = size.width / model.width;
  return size.width == factor * model.width && size.height == factor * model.height ? factor : 0;
}

bool allows(const GstStructure* structure, const char* field, int value) {
  GValue wanted = G_VALUE_INIT;
  g_value_init(&wanted, G_TYPE_INT);
  g_value_set_int(&wanted, value);
  return allows(structure, field, &wanted);
}

bool allows(const GstStructure* structure, const char* field, const char* value) {
  GValue wanted = G_VALUE_INIT;
  g_value_init(&wanted, G_TYPE_STRING);
  g_value_set_string(&wanted, value);
  return allows(structure, field, &wanted);
}

int smallest_factor(const GstStructure* structure, Size size) {
  for (int k = 1; k <= largest_factor(size); ++k) {
    if (allows(structure, "width", k * size.width) && allows(structure, "height", k * size.height)) return k;
  }
  return 0;
}

GstCaps* in_multiples(GstCaps* caps, Size size) {
  caps = gst_caps_make_writable(caps);
  set_multiples(caps, "width", size.width, largest_factor(size));
  set_multiples(caps, "height", size.height, largest_factor(size));
  return caps;
}

}  // namespace dit::plugin
