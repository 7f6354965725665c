// SPDX-License-Identifier: MIT
#include "engine/vulkan/choose/tuned.h"

#include <nlohmann/json.hpp>

#include "engine/model/json_text.h"
#include "engine/vulkan/compile/compile.h"

namespace dit::vulkan {
namespace {

std::string file_name(const std::string& identity) { return "tuned-" + identity + ".json"; }

/// errors  settings, unsupported: no fusion of these precisions
Fusion fusion_of(const nlohmann::json& value, Precision precision) {
  const Fusion fusion = fusion_from_name(value.get<std::string>());
  expect(fusion != Fusion::automatic, ErrorKind::settings, "expected a fusion, found auto");
  expect_served(precision, fusion);
  return fusion;
}

}  // namespace

std::optional<Tuned> read_tuned(const CacheFolder& folder, const std::string& identity) {
  const std::optional<std::string> text = folder.read(file_name(identity));
  if (!text) return {};
  try {
    const Json parsed = parse_json(*text, "tuned");
    const nlohmann::json& file = *parsed;
    return Tuned{.f32 = fusion_of(file.at("f32"), Precision::f32),
                 .f16 = fusion_of(file.at("f16"), Precision::f16),
                 .matrix_persistent_batch = static_cast<std::uint32_t>(
                     whole_of(file.at("matrix_persistent_batch"), 0, UINT32_MAX, "matrix_persistent_batch")),
                 .matrices_win = file.at("matrices_win").get<bool>()};
  } catch (const std::exception&) {
    return {};  // of another version; the class's table serves
  }
}

bool keep_tuned(const CacheFolder& folder, const std::string& identity, const Tuned& tuned) {
  const nlohmann::json file = {{"f32", name_of(tuned.f32)},
                               {"f16", name_of(tuned.f16)},
                               {"matrix_persistent_batch", tuned.matrix_persistent_batch},
                               {"matrices_win", tuned.matrices_win}};
  return folder.write(file_name(identity), json_text(file, 1) + "\n");
}

DeviceTable with_tuned(DeviceTable table, const Tuned& tuned) {
  table.measured = "dit tune on this device; costs are its class's";
  table.f32 = tuned.f32;
  table.f16 = tuned.f16;
  table.matrix_persistent_batch = tuned.matrix_persistent_batch;
  table.matrices_win = tuned.matrices_win;
  return table;
}

}  // namespace dit::vulkan
