// SPDX-License-Identifier: MIT
// Where frames are written: downstream's pool if it offers one, else our own.
#pragma once

#include <gst/gst.h>

namespace dit::plugin {

/// Answers an allocation query with a configured pool. False if the query has no video caps.
bool choose_pool(GstQuery* query);

}  // namespace dit::plugin
