// SPDX-License-Identifier: MIT
// Bytes as a way through a stream: seeks of every kind, rates and flushes. What a fuzzer plays with, see tests/fuzz.
#pragma once

#include <gst/gst.h>

#include <cstddef>
#include <functional>
#include <span>
#include <string>

namespace dit::plugin_test {

/// Goes the way on a ditsrc and on a videotestsrc beside each other, or, where the first byte says so, on a ditsrc that
/// ends after 24 frames, of which only the rules are known: frames of the stream, in order, in a segment, to an end.
/// make_ditsrc  an element of no more than one step an icon
/// returns      what went wrong and at which seek; empty if nothing did
std::string walk(std::span<const std::byte> bytes, const std::function<GstElement*()>& make_ditsrc);

}  // namespace dit::plugin_test
