// SPDX-License-Identifier: MIT
// What may come in and what may go out: the formats of the source, the model's size and its multiples.
#pragma once

#include "plugin/filter/filter.h"

namespace dit::plugin {

GstStaticPadTemplate* sink_template();
GstStaticPadTemplate* icon_template();

/// Caps of a model's frames: each multiple by itself, the model's own size first, so that a converter before the
/// element takes that one.
OwnedCaps sink_caps_of(Size model);
/// Caps of its icons.
OwnedCaps source_caps_of(Size model);

/// What the other side may be where one side is of `caps`.
GstCaps* other_caps(Filter& filter, GstPadDirection direction, GstCaps* caps, GstCaps* limit);
/// An icon's caps for a frame's: with alpha if that may be, of the frame's size if that may be, else of the smallest.
/// Takes `others`.
GstCaps* prefer_caps(Filter& filter, GstCaps* frame, GstCaps* others);

/// Posts why a frame's caps are none for this element.
void explain_refusal(Filter& filter, GstCaps* caps);
/// The same where the stream ended before any caps came, if what is before `pad` has none that would do.
void explain_no_common_caps(Filter& filter, GstPad* pad);

}  // namespace dit::plugin
