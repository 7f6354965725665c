// SPDX-License-Identifier: MIT
// User-facing texts in the user's language, by gettext; po/ has the catalogues.
#pragma once

#include <libintl.h>

namespace dit::plugin {

inline constexpr const char* text_domain = "ditsrc";

/// The translation of a literal; xgettext finds the literals by this name.
inline const char* tr(const char* text) noexcept { return dgettext(text_domain, text); }

/// Finds the catalogues from the plugin's own place. Once a process.
void bind_translations();

}  // namespace dit::plugin
