// SPDX-License-Identifier: MIT
#include "engine/executor.h"

#include <array>
#include <utility>

#include "engine/error.h"

namespace dit {
namespace {

template <typename Choice, std::size_t Count>
using Names = std::array<std::pair<Choice, const char*>, Count>;

constexpr Names<Precision, 7> precisions = {{{Precision::automatic, "auto"},
                                             {Precision::f32, "f32"},
                                             {Precision::f16, "f16"},
                                             {Precision::f16_matrix, "f16-matrix"},
                                             {Precision::int8, "int8"},
                                             {Precision::bf16, "bf16"},
                                             {Precision::int16, "int16"}}};
constexpr Names<Fusion, 5> fusions = {{{Fusion::automatic, "auto"},
                                       {Fusion::none, "none"},
                                       {Fusion::op, "op"},
                                       {Fusion::block, "block"},
                                       {Fusion::persistent, "single"}}};

template <typename List, typename Choice>
const char* name_in(const List& list, Choice wanted) noexcept {
  for (const auto& [choice, name] : list) {
    if (choice == wanted) return name;
  }
  return "?";
}

template <typename List>
auto find_in(const List& list, const char* what, std::string_view wanted) {
  std::string known;
  for (const auto& [choice, name] : list) {
    if (wanted == name) return choice;
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  fail(ErrorKind::settings, "{}: expected one of {}, found '{}'", what, known, wanted);
}

void check_rows(const char* what, const std::vector<std::uint32_t>& rows, std::uint64_t limit) {
  for (const std::uint32_t row : rows) {
    expect(row < limit, ErrorKind::settings, "request: {}: expected rows below {}, found {}", what, limit, row);
  }
}

}  // namespace

const char* name_of(Precision precision) noexcept { return name_in(precisions, precision); }
const char* name_of(Fusion fusion) noexcept { return name_in(fusions, fusion); }
Precision precision_from_name(std::string_view name) { return find_in(precisions, "precision", name); }
Fusion fusion_from_name(std::string_view name) { return find_in(fusions, "fusion", name); }

std::uint32_t check_request(const Program& program, const Request& request) {
  const PlanShape& shape = program.shape;
  const std::size_t rows = request.solver.size(), length = request.solver_row.size() / shape.batch;
  const auto want = [](const char* what, std::size_t found, std::uint64_t expected) {
    expect(found == expected, ErrorKind::settings, "request: {}: expected {} entries, found {}", what, expected, found);
  };
  const auto within = [&](const char* what, std::size_t found) {
    expect(found >= 1 && found <= shape.steps, ErrorKind::settings, "request: {}: expected 1 to {}, found {}", what,
           shape.steps, found);
  };
  within("solver rows", rows);
  within("steps", length);
  want("icons", request.icons.size(), shape.batch);
  if (program.condition != no_tensor) {
    want("condition", request.condition.size(),
         std::uint64_t{rows} * shape.conditions * program.tensor(program.condition).shape[1]);
  }
  want("context", request.context.size(),
       program.context == no_tensor ? 0 : element_count(program.tensor(program.context).shape));
  want("solver_row", request.solver_row.size(), std::uint64_t{length} * shape.batch);
  want("modulation_row", request.modulation_row.size(), std::uint64_t{length} * shape.rows());
  // Kernels index tables with these, so a wild one must not reach the device.
  check_rows("modulation_row", request.modulation_row, std::uint64_t{rows} * shape.conditions);
  check_rows("solver_row", request.solver_row, rows);
  for (std::size_t i = 0; i < rows; ++i) {
    expect(request.solver[i].first <= i, ErrorKind::settings,
           "request: first row of solver row {}: expected that or one before it, found {}", i, request.solver[i].first);
  }
  return static_cast<std::uint32_t>(length);
}

void check_sketches(const Program& program, std::span<const IconPoint> icons) {
  for (std::size_t i = 0; i < icons.size(); ++i) {
    const Sketch& sketch = icons[i].sketch;
    const auto want = [i](const char* what, std::size_t found, bool taken, std::size_t expected) {
      expect(found == 0 || (taken && found == expected), ErrorKind::settings,
             "icon {}: {}: expected {} bytes, found {}", i, what, taken ? expected : 0, found);
    };
    if (sketch.rgba.empty() && sketch.mask.empty()) continue;
    const std::size_t pixels = program.shape.sketches ? pixels_of(program) : 0;
    want("sketch", sketch.rgba.size(), program.shape.sketches, 4 * pixels);
    want("mask of the sketch", sketch.mask.size(), program.shape.masks, pixels);
  }
}

std::size_t pixels_of(const Program& program) {
  const Shape& image = program.tensor(program.x).shape;
  return std::size_t{image[2]} * image[3];
}

Ticket Plan::run(std::uint32_t first, std::uint32_t last, const std::atomic<bool>& cancel) {
  if (cancel.load()) throw Cancelled();
  const Ticket ticket = submit(icons(), first, last);
  wait(ticket, last, cancel);
  return ticket;
}

}  // namespace dit
