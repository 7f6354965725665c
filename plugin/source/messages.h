// SPDX-License-Identifier: MIT
// What the element tells the application: bus messages of every kind, and the stream's tags.
#pragma once

#include <gst/gst.h>

#include <string>

#include "plugin/source/element.h"

namespace dit::plugin {

/// Element message "ditsrc-device", once per start: device, name, note, model (strings); and a warning where the device
/// fails at what was asked of it and something else is used instead.
void post_device(GstElement* element, const Session& session);
/// Element message "ditsrc-icon", once per icon when its finished picture is handed out: index, seed, pts (uint64),
/// prompt, style (strings), steps (uint), render-time (uint64, ns; the icon's share of its batch), and gpu-time (the
/// same on the device) if the device can tell.
void post_icon(GstElement* element, const Caption& caption, GstClockTime pts);
/// Element message "ditsrc-step", once per picture if post-steps is set: index, seed, pts (uint64), step, steps (uint),
/// t, sigma (double), render-time (uint64, ns; up to this step), gpu-time likewise.
void post_step(GstElement* element, const Caption& caption, GstClockTime pts);

/// Progress of opening, code "open". type: START, COMPLETE or ERROR
void post_progress(GstElement* element, GstProgressType type);
/// A warning of unknown words; and element message "ditsrc-word" for each that is painted as others: typed, painted,
/// how (strings), sure (double, 0 to 1).
void post_words(GstElement* element, const WordNotes& notes);
/// See Session::take_warning.
void warn_of_kernels(GstElement* element, const std::string& mistakes);
void error_no_map(GstElement* element, gsize bytes, std::uint64_t frame);
void error_no_caps(GstElement* element, GstCaps* ours, GstCaps* theirs);
/// Both sides must be the same multiple of the model's.
void error_no_size(GstElement* element, int width, int height, GstCaps* ours, GstCaps* theirs);

/// QoS message: icons now take another number of steps. Its quality is a million times steps / wanted.
void post_quality(Element& element, GstClockTime time, bool live, std::uint32_t steps, std::uint32_t wanted);
/// QoS message: frames from `missed` on were left out.
void post_skipped(Element& element, GstClockTime now, GstClockTime missed);
void post_latency(GstElement* element);

/// Title, comment and program of the stream, once per start.
void send_tags(Element& element);

/// Value of the `stats` property. The caller holds the object lock.
GstStructure* stats_of(const Element& element);

}  // namespace dit::plugin
