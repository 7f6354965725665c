// SPDX-License-Identifier: MIT
#include "engine/model/formats/open.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

#include "engine/files/file_bytes.h"
#include "engine/model/formats/gguf.h"
#include "engine/model/formats/onnx.h"
#include "engine/model/formats/safetensors.h"
#include "engine/model/formats/wts1.h"

namespace dit {

std::shared_ptr<const Weights> open_weights(const std::filesystem::path& path) {
  const auto file = FileBytes::open(path);
  const Bytes bytes(*file);
  const std::string name = path.string();
  const auto head = bytes.subspan(0, std::min<std::size_t>(bytes.size(), 4)).read();
  const auto starts_with = [&](std::string_view magic) {
    return head.size() >= magic.size() && std::memcmp(head.data(), magic.data(), magic.size()) == 0;
  };
  if (starts_with("GGUF")) return gguf::parse(bytes, name, file);
  if (path.extension() == ".onnx") return onnx::parse(bytes, name, file);
  if (starts_with("WTS1")) return wts1::parse(bytes, name, file);
  // safetensors has no magic: what is no other format is taken for it.
  return safetensors::parse(bytes, name, file);
}

}  // namespace dit
