// SPDX-License-Identifier: MIT
#include "engine/formats/safetensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/error.h"

namespace dit::safetensors {
namespace {

using nlohmann::json;

/// A read-only mapping that unmaps itself.
class Mapping {
 public:
  explicit Mapping(const std::filesystem::path& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) {
      const int error = errno;
      fail(error == ENOENT || error == ENOTDIR ? ErrorKind::not_found : ErrorKind::unreadable,
           "weights '{}': cannot open: {}", path.string(), std::strerror(error));
    }
    struct stat status {};
    const bool ok = ::fstat(file, &status) == 0 && S_ISREG(status.st_mode);
    if (ok && status.st_size > 0) {
      size_ = static_cast<std::size_t>(status.st_size);
      data_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
    }
    const int error = errno;
    ::close(file);
    expect(ok, ErrorKind::unreadable, "weights '{}': expected a regular file", path.string());
    expect(data_ != MAP_FAILED, ErrorKind::unreadable, "weights '{}': cannot map: {}", path.string(),
           std::strerror(error));
  }
  ~Mapping() {
    if (data_ && data_ != MAP_FAILED) ::munmap(data_, size_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  std::span<const std::byte> bytes() const noexcept { return {static_cast<const std::byte*>(data_), size_}; }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

DType parse_dtype(const std::string& text, const std::string& file, const std::string& tensor) {
  if (text == "F32") return DType::f32;
  if (text == "F16") return DType::f16;
  fail(ErrorKind::wrong_format, "weights '{}': tensor '{}': expected dtype F32 or F16, found {}", file, tensor, text);
}

WeightView parse_tensor(const std::string& file, const std::string& name, const json& entry,
                        std::span<const std::byte> data) {
  WeightView view;
  view.name = name;
  view.dtype = parse_dtype(entry.at("dtype").get<std::string>(), file, name);
  for (const json& size : entry.at("shape")) {
    const auto value = size.get<std::uint64_t>();
    expect(value <= std::numeric_limits<std::uint32_t>::max(), ErrorKind::wrong_format,
           "weights '{}': tensor '{}': dimension {} is over 32 bits", file, name, value);
    view.shape.push_back(static_cast<std::uint32_t>(value));
  }
  // The product may overflow 64 bits in a hostile file, so it is checked dimension by dimension against the data.
  std::uint64_t bytes = size_of(view.dtype);
  for (const std::uint32_t size : view.shape) {
    expect(size == 0 || bytes <= data.size() / size, ErrorKind::wrong_format,
           "weights '{}': tensor '{}': {} {} needs more than the {} data bytes of the file", file, name,
           name_of(view.dtype), to_string(view.shape), data.size());
    bytes *= size;
  }
  const auto first = entry.at("data_offsets").at(0).get<std::uint64_t>();
  const auto last = entry.at("data_offsets").at(1).get<std::uint64_t>();
  expect(first <= last && last <= data.size(), ErrorKind::wrong_format,
         "weights '{}': tensor '{}': bytes {} to {} lie outside the {} data bytes of the file (truncated?)", file, name,
         first, last, data.size());
  expect(last - first == bytes, ErrorKind::wrong_format,
         "weights '{}': tensor '{}': expected {} bytes for {} {}, found {}", file, name, bytes, name_of(view.dtype),
         to_string(view.shape), last - first);
  view.bytes = data.subspan(first, bytes);
  return view;
}

}  // namespace

std::shared_ptr<const Weights> parse(std::span<const std::byte> bytes, const std::string& name,
                                     std::shared_ptr<const void> owner) {
  expect(bytes.size() >= 8, ErrorKind::wrong_format, "weights '{}': expected a safetensors file, found {} bytes", name,
         bytes.size());
  std::uint64_t header_bytes = 0;
  for (int i = 7; i >= 0; --i) header_bytes = header_bytes << 8 | std::to_integer<std::uint64_t>(bytes[i]);
  expect(header_bytes <= bytes.size() - 8, ErrorKind::wrong_format,
         "weights '{}': expected a safetensors file; its header would be {} bytes of a {}-byte file", name,
         header_bytes, bytes.size());

  auto weights = std::make_shared<Weights>();
  weights->owner = std::move(owner);
  weights->file_bytes = bytes.size();
  const char* text = reinterpret_cast<const char*>(bytes.data()) + 8;
  const auto data = bytes.subspan(8 + header_bytes);
  try {
    const json header = json::parse(text, text + header_bytes);
    expect(header.is_object(), ErrorKind::wrong_format, "weights '{}': header is not a JSON object", name);
    for (const auto& [key, entry] : header.items()) {
      if (key == "__metadata__") {
        weights->metadata = entry.get<std::map<std::string, std::string>>();
      } else {
        weights->tensors.emplace(key, parse_tensor(name, key, entry, data));
      }
    }
  } catch (const json::exception& error) {
    fail(ErrorKind::wrong_format, "weights '{}': bad safetensors header: {}", name, error.what());
  }
  return weights;
}

std::shared_ptr<const Weights> open(const std::filesystem::path& path) {
  auto mapping = std::make_shared<Mapping>(path);
  const auto bytes = mapping->bytes();
  return parse(bytes, path.string(), std::move(mapping));
}

}  // namespace dit::safetensors
