// SPDX-License-Identifier: MIT
#include "plugin/model_path.h"

#include <dlfcn.h>

#include <system_error>

#include "engine/session/session.h"

namespace dit::plugin {

std::filesystem::path own_folder() {
  Dl_info info{};
  // Any address inside this library will do; a function's cannot be cast to void* portably, a variable's can.
  static const char anchor = 0;
  if (dladdr(&anchor, &info) == 0 || info.dli_fname == nullptr) return {};
  std::error_code ignored;
  return std::filesystem::absolute(info.dli_fname, ignored).parent_path();
}

std::filesystem::path model_path(const std::string& location) {
  return find_model(location, own_folder(), {DIT_MODEL_FROM_INSTALLED, DIT_MODEL_FROM_BUILT});
}

std::filesystem::path lexicon_path() {
  return find_lexicon(own_folder(), {DIT_MODEL_FROM_INSTALLED, DIT_MODEL_FROM_BUILT});
}

}  // namespace dit::plugin
