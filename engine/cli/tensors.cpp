// SPDX-License-Identifier: MIT
#include "engine/cli/tensors.h"

#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <vector>

#include "engine/files/mapped_file.h"
#include "engine/model/formats/onnx.h"

namespace dit::cli {
namespace {

struct Row {
  std::string name, dtype, shape, bytes;
};

void print_rows(const std::vector<Row>& rows) {
  std::size_t width = 6;
  for (const Row& row : rows) width = std::max(width, row.name.size());
  fmt::print("\ntensors\n  {:<{}}  {:<8}  {:<16}  {:>10}\n", "name", width, "dtype", "shape", "bytes");
  for (const Row& row : rows)
    fmt::print("  {:<{}}  {:<8}  {:<16}  {:>10}\n", row.name, width, row.dtype, row.shape, row.bytes);
}

/// The beginning of a text, on one line.
std::string shorten(std::string text) {
  constexpr std::size_t longest = 72;
  const auto is_control = [](unsigned char c) { return c < ' '; };
  std::ranges::replace_if(text, is_control, ' ');
  if (text.size() <= longest) return text;
  std::size_t end = longest;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;  // whole UTF-8 characters
  return text.substr(0, end) + fmt::format("… ({} bytes)", text.size());
}

}  // namespace

void print_tensors(const Weights& weights) {
  std::vector<Row> rows;
  for (const auto& [name, view] : weights.tensors)
    rows.push_back(
        {name, name_of(view.dtype), to_string(view.shape), std::to_string(view.bytes.size() + view.scales.size())});
  print_rows(rows);
}

void inspect_tensors(const std::filesystem::path& path, const Weights& weights) {
  std::uint64_t numbers = 0, bytes = 0;
  for (const auto& [name, view] : weights.tensors) {
    numbers += element_count(view.shape);
    bytes += view.bytes.size() + view.scales.size();
  }
  fmt::print(
      "{}\n\nno model of ours: metadata 'format' is not 'ditsrc/1'\n{} tensors, {} numbers, {} bytes of a file of "
      "{}\n",
      path.string(), weights.tensors.size(), numbers, bytes, weights.file_bytes);
  if (!weights.metadata.empty()) fmt::print("\nmetadata\n");
  for (const auto& [key, value] : weights.metadata) fmt::print("  {}: {}\n", key, shorten(value));
  print_tensors(weights);
}

void inspect_onnx(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  std::vector<Row> rows;
  std::uint64_t numbers = 0;
  for (const onnx::Initialiser& tensor : onnx::initialisers(file->bytes(), path.string())) {
    numbers += element_count(tensor.shape);
    rows.push_back({tensor.name, tensor.type, to_string(tensor.shape),
                    tensor.view ? std::to_string(tensor.view->bytes.size()) : "elsewhere"});
  }
  fmt::print("{}\n\nan ONNX model: its graph is not read, its {} initialisers hold {} numbers\n", path.string(),
             rows.size(), numbers);
  print_rows(rows);
}

}  // namespace dit::cli
