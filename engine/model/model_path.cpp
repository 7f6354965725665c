// SPDX-License-Identifier: MIT
#include "engine/model/model_path.h"

#include <cstdlib>
#include <system_error>

#include "engine/error.h"

namespace dit {

std::filesystem::path find_model(const std::string& given, const std::filesystem::path& binary_folder,
                                 std::initializer_list<const char*> places) {
  if (!given.empty()) return given;
  if (const char* set = std::getenv("DIT_MODEL"); set != nullptr && *set != '\0') return set;
  std::string tried;
  for (const char* place : places) {
    const auto path = (binary_folder / place / "icons.safetensors").lexically_normal();
    std::error_code ignored;
    if (std::filesystem::is_regular_file(path, ignored)) return path;
    tried += (tried.empty() ? "'" : ", '") + path.string() + "'";
  }
  fail(ErrorKind::not_found, "no model: none was named, $DIT_MODEL is not set, and there is none at {}", tried);
}

std::filesystem::path find_lexicon(const std::filesystem::path& binary_folder,
                                   std::initializer_list<const char*> places) {
  for (const char* place : places) {
    auto path = (binary_folder / place / "lexicon.bin").lexically_normal();
    std::error_code ignored;
    if (std::filesystem::is_regular_file(path, ignored)) return path;
  }
  return {};
}

}  // namespace dit
