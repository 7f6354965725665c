// SPDX-License-Identifier: MIT
#include "engine/cli/tensors.h"

#include <algorithm>
#include <map>
#include <string>

#include "engine/cli/text/print.h"

namespace dit::cli {
namespace {

struct Row {
  std::string dtype, shape, bytes, note;
};

/// Of a shape that nothing was checked against.
double count_of(const Shape& shape) {
  double count = 1;
  for (const std::uint32_t size : shape) count *= size;
  return count;
}

std::string numbers_text(const Weights& weights) {
  double numbers = 0;
  for (const auto& [name, view] : weights.tensors) numbers += count_of(view.shape);
  for (const auto& [name, tensor] : weights.foreign) numbers += count_of(tensor.shape);
  return fmt::format("{:.{}f}", numbers, 0);
}

}  // namespace

void print_tensors(const Weights& weights) {
  std::map<std::string, Row> rows;  // in one order, whatever can be used
  for (const auto& [name, view] : weights.tensors)
    rows[name] = {name_of(view.dtype), to_string(view.shape), std::to_string(view.bytes.size() + view.scales.size()),
                  ""};
  for (const auto& [name, tensor] : weights.foreign)
    rows[name] = {tensor.type, to_string(tensor.shape), std::to_string(tensor.bytes),
                  "  listed only: " + tensor.problem};
  std::size_t width = 6;
  for (const auto& [name, row] : rows) width = std::max(width, printable(name, name_length).size());
  say("\ntensors\n  {:<{}}  {:<8}  {:<16}  {:>10}\n", "name", width, "dtype", "shape", "bytes");
  for (const auto& [name, row] : rows) {
    say("  {:<{}}  {:<8}  {:<16}  {:>10}{}\n", printable(name, name_length), width, row.dtype, row.shape, row.bytes,
        row.note);
  }
}

void inspect_tensors(const std::filesystem::path& path, const Weights& weights) {
  std::uint64_t bytes = 0;
  for (const auto& [name, view] : weights.tensors) bytes += view.bytes.size() + view.scales.size();
  for (const auto& [name, tensor] : weights.foreign) bytes += tensor.bytes;
  say("{}\n\nno model of ours: metadata 'format' is not 'ditsrc/1'\n{} tensors, {} numbers, {} bytes of a file of {}\n",
      path.string(), weights.tensors.size() + weights.foreign.size(), numbers_text(weights), bytes, weights.file_bytes);
  if (!weights.metadata.empty()) say("\nmetadata\n");
  constexpr std::size_t longest = 72;
  for (const auto& [key, value] : weights.metadata)
    say("  {}: {}\n", printable(key, name_length), printable(value, longest));
  print_tensors(weights);
}

void inspect_onnx(const std::filesystem::path& path, const Weights& weights) {
  say("{}\n\nan ONNX model: its graph is not read, its {} initialisers hold {} numbers\n", path.string(),
      weights.tensors.size() + weights.foreign.size(), numbers_text(weights));
  print_tensors(weights);
}

}  // namespace dit::cli
