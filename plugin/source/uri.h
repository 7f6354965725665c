// SPDX-License-Identifier: MIT
// dit://PROMPT?key=value&…: the element's settings as a URI, e.g. dit://red%20fox?seed=4&steps=8&emit=steps.
#pragma once

#include <gst/gst.h>

namespace dit::plugin {

inline constexpr const char* uri_scheme = "dit";

/// The prompt and every other setting that is not at its default. The caller frees it.
gchar* uri_of(GObject* object);

/// Sets the prompt and the named settings, and every other key to its default; or nothing if anything is wrong, a key
/// twice or seed beside seed-name too.
/// errors  GST_URI_ERROR_BAD_URI for another scheme or broken escapes, BAD_REFERENCE for an unknown key or a value out
/// of
///         range, BAD_STATE unless the element is in NULL or READY
gboolean set_uri(GstElement* element, const gchar* uri, GError** error);

}  // namespace dit::plugin
