// SPDX-License-Identifier: MIT
// What the element tells the application on the bus, besides errors.
#pragma once

#include <gst/gst.h>

#include "engine/session.h"
#include "plugin/settings.h"
#include "plugin/stream.h"

namespace dit::plugin {

/// Element message "ditsrc-device", once per start: device, name, note, model (strings).
void post_device(GstElement* element, const Session& session);

/// Element message "ditsrc-icon", once per icon when its finished picture is handed out: index, seed (uint64), prompt,
/// style (strings), steps (uint), render-time (uint64, ns; the icon's share of its batch).
void post_icon(GstElement* element, const Settings& settings, const Picture& picture);

}  // namespace dit::plugin
