// SPDX-License-Identifier: MIT
// Formats, sizes and rates: the model's size and its integer multiples, by nearest neighbour.
#pragma once

#include <gst/gst.h>

#include "plugin/source/element.h"

namespace dit::plugin {

GstStaticPadTemplate* source_template();

/// Caps at present: open sizes before the model is known, multiples of its own afterwards.
GstCaps* caps_of(Element& element, GstCaps* filter);
/// The smallest multiple of the model's size that the caps allow, RGBA and 10 frames a second if nobody chooses.
/// Takes `caps`; the base class does the rest.
GstCaps* prefer(Element& element, GstCaps* caps);
/// Takes fixed caps into use. False, with a reason in the log, if the size is no multiple of the model's.
bool use_caps(Element& element, GstCaps* caps);
/// Posts why no format was found, unless the pad is flushing.
void explain_no_caps(Element& element);

}  // namespace dit::plugin
