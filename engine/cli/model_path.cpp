// SPDX-License-Identifier: MIT
#include "engine/cli/model_path.h"

#include <system_error>

#include "engine/model/model_path.h"

namespace dit::cli {

std::filesystem::path model_path(const std::string& given) {
  std::error_code ignored;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", ignored);
  return find_model(given, program.parent_path(), {DIT_MODEL_FROM_INSTALLED, DIT_MODEL_FROM_BUILT});
}

}  // namespace dit::cli
