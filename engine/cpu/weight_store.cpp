// SPDX-License-Identifier: MIT
#include "engine/cpu/weight_store.h"

#include <algorithm>
#include <set>
#include <span>

#include "engine/error.h"

namespace dit::cpu {
namespace {

std::size_t round_to_panel(std::size_t values) { return (values + panel_columns - 1) / panel_columns * panel_columns; }

/// One panel: rows of the file become columns. `row` has room for one of them.
void pack_panel(const WeightView& view, const PackedMatrix& matrix, std::size_t panel, std::span<float> row,
                float* out) {
  const std::size_t first = panel * panel_columns;
  const std::size_t count = std::min(panel_columns, matrix.rows - first);
  for (std::size_t i = 0; i < count; ++i) {
    read_f32(view, (first + i) * matrix.columns, row);
    for (std::size_t k = 0; k < matrix.columns; ++k) out[k * panel_columns + i] = row[k];
  }
}

}  // namespace

const WeightView& WeightStore::find(const WeightRequest& request) const {
  const auto found = weights_->tensors.find(request.name);
  expect(found != weights_->tensors.end(), ErrorKind::wrong_format, "weights: expected tensor '{}' {}, found none",
         request.name, to_string(request.shape));
  const WeightView& view = found->second;
  expect(view.shape == request.shape, ErrorKind::wrong_format, "weights '{}': expected {}, found {}", request.name,
         to_string(request.shape), to_string(view.shape));
  return view;
}

void WeightStore::add(const std::vector<WeightRequest>& requests, ThreadPool& pool) {
  struct Job {
    const WeightView* view;
    const WeightRequest* request;
    std::size_t offset;  // floats
  };
  std::vector<Job> jobs;
  std::set<std::pair<std::string, bool>> queued;
  std::size_t floats = 0, longest = 0;
  for (const WeightRequest& request : requests) {
    if (request.matrix ? matrices_.contains(request.name) : vectors_.contains(request.name)) continue;
    if (!queued.emplace(request.name, request.matrix).second) continue;
    jobs.push_back({&find(request), &request, floats});
    const std::size_t elements = element_count(request.shape);
    floats += request.matrix ? round_to_panel(request.shape.at(0)) * request.shape.at(1) : round_to_panel(elements);
    if (request.matrix) longest = std::max<std::size_t>(longest, request.shape.at(1));
  }
  if (jobs.empty()) return;

  Block block(floats * sizeof(float), "CPU weights");
  std::vector<std::vector<float>> row(pool.size(), std::vector<float>(longest));
  for (const Job& job : jobs) {
    float* out = block.f32() + job.offset;
    if (!job.request->matrix) {
      read_f32(*job.view, 0, {out, element_count(job.request->shape)});
      vectors_.emplace(job.request->name, out);
      continue;
    }
    const PackedMatrix matrix{job.request->shape[0], job.request->shape[1], out};
    pool.parallel_for(matrix.panels(), [&](unsigned thread, std::size_t first, std::size_t last) {
      for (std::size_t panel = first; panel < last; ++panel)
        pack_panel(*job.view, matrix, panel, {row[thread].data(), matrix.columns},
                   out + panel * matrix.columns * panel_columns);
    });
    matrices_.emplace(job.request->name, matrix);
  }
  blocks_.push_back(std::move(block));
}

}  // namespace dit::cpu
