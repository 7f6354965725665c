// SPDX-License-Identifier: MIT
#include "engine/cli/model_path.h"

#include <system_error>

#include "engine/model/model_path.h"

namespace dit::cli {

namespace {

std::filesystem::path own_folder() {
  std::error_code ignored;
  return std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
}

}  // namespace

std::filesystem::path model_path(const std::string& given) {
  return find_model(given, own_folder(), {DIT_MODEL_FROM_INSTALLED, DIT_MODEL_FROM_BUILT});
}

std::filesystem::path lexicon_path() {
  return find_lexicon(own_folder(), {DIT_MODEL_FROM_INSTALLED, DIT_MODEL_FROM_BUILT});
}

std::shared_ptr<const Model> open_model(const std::string& given) {
  return Model::open(model_path(given), lexicon_path());
}

}  // namespace dit::cli
