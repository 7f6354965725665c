// SPDX-License-Identifier: MIT
#include "engine/model/formats/open.h"

#include <cstring>
#include <string_view>
#include <utility>

#include "engine/files/mapped_file.h"
#include "engine/model/formats/gguf.h"
#include "engine/model/formats/onnx.h"
#include "engine/model/formats/safetensors.h"
#include "engine/model/formats/wts1.h"

namespace dit {

std::shared_ptr<const Weights> open_weights(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  const auto bytes = file->bytes();
  const auto starts_with = [&](std::string_view magic) {
    return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
  };
  const auto parse = [&] {
    if (starts_with("GGUF")) return gguf::parse(bytes, path.string(), file);
    if (path.extension() == ".onnx") return onnx::parse(bytes, path.string(), file);
    if (starts_with("WTS1")) return wts1::parse(bytes, path.string(), file);
    // safetensors has no magic: what is no other format is taken for it.
    return safetensors::parse(bytes, path.string(), file);
  };
  auto weights = std::make_shared<Weights>(*parse());
  weights->release = [file](std::span<const std::byte> range) { file->release(range); };
  return weights;
}

}  // namespace dit
