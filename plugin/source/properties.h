// SPDX-License-Identifier: MIT
// The GObject properties of ditsrc and ditfilter: names, ranges, flags, and where each lives in Settings.
#pragma once

#include <gst/gst.h>

#include "plugin/source/stream/settings.h"

namespace dit::plugin {

/// Properties that the element answers itself.
enum OwnProperty : guint { prop_stats = 1, first_setting };

/// Whose properties: most are everyone's.
enum class Role { everyone, source, filter };

/// Adds every property of the role to the class.
void install_properties(GObjectClass* object_class, Role role);

/// Both return false for an id that is none of Settings'. The caller guards `settings`.
bool set_property(Settings& settings, guint id, const GValue* value);
bool get_property(const Settings& settings, guint id, GValue* value);

}  // namespace dit::plugin
