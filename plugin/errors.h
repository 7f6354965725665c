// SPDX-License-Identifier: MIT
// The wall between C++ and GLib: no exception passes it, each becomes one bus message.
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <exception>
#include <utility>

namespace dit::plugin {

/// What the element was doing; a device that fails to open and one that fails at work are different messages.
enum class Phase { opening, running };

/// Posts the exception being handled as an error message of `element`. Call inside a catch block only.
///   not_found     RESOURCE NOT_FOUND     unsupported    LIBRARY SETTINGS
///   unreadable    RESOURCE OPEN_READ     device         LIBRARY INIT, RESOURCE FAILED when running
///   wrong_format  STREAM WRONG_TYPE      out_of_memory  RESOURCE NO_SPACE_LEFT
///   settings      RESOURCE SETTINGS      anything else  LIBRARY FAILED
void post_current_exception(GstElement* element, Phase phase) noexcept;

/// Base classes add an error of their own to each of ours ("Failed to start", "Internal data stream error"), which
/// tells nobody anything. The first error of a run is the one that says what happened: true, and the message is gone,
/// if this is an error and another was on the bus before it.
bool drop_further_error(GstElement* element, GstMessage* message, std::atomic<bool>& failed) noexcept;

/// Runs `body`; an exception is posted and turned into `failed`.
template <typename Result, typename Body>
Result guarded(void* element, Phase phase, Result failed, Body&& body) noexcept {
  try {
    return std::forward<Body>(body)();
  } catch (...) {
    post_current_exception(GST_ELEMENT(element), phase);
    return failed;
  }
}

}  // namespace dit::plugin
