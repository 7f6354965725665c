// SPDX-License-Identifier: MIT
#include "plugin/translate.h"

#include <mutex>

#include "plugin/model_path.h"

namespace dit::plugin {

void bind_translations() {
  static std::once_flag once;
  std::call_once(once, [] {
    const std::filesystem::path folder = own_folder() / DIT_LOCALE_FROM_INSTALLED;
    bindtextdomain(text_domain, folder.lexically_normal().c_str());
    bind_textdomain_codeset(text_domain, "UTF-8");
  });
}

}  // namespace dit::plugin
