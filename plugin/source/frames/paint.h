// SPDX-License-Identifier: MIT
// Frame number -> picture, with the settings of that moment and no more steps than there is time for.
#pragma once

#include "plugin/source/element.h"

namespace dit::plugin {

/// A picture of frame n with the settings of `time`. Takes new settings if n starts an icon.
/// errors  Cancelled when interrupted; whatever the engine throws
/// thread  one at a time, see Element::painting
Picture paint(Element& element, Stream& stream, std::uint64_t n, GstClockTime time, bool live);

}  // namespace dit::plugin
