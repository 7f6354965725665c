// SPDX-License-Identifier: MIT
// What `dit tune` measured on one device, in place of what its class's table says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/files/cache_folder.h"
#include "engine/vulkan/choose/device_table.h"

namespace dit::vulkan {

/// As the fields of DeviceTable.
struct Tuned {
  Fusion f32 = Fusion::op, f16 = Fusion::op;
  std::uint32_t matrix_persistent_batch = 0;
  bool matrices_win = false;
  bool operator==(const Tuned&) const = default;
};

/// identity  Device::identity(). Nothing if it was not tuned, or what was kept cannot be read.
std::optional<Tuned> read_tuned(const CacheFolder& folder, const std::string& identity);
/// Whether it was kept.
bool keep_tuned(const CacheFolder& folder, const std::string& identity, const Tuned& tuned);

DeviceTable with_tuned(DeviceTable table, const Tuned& tuned);

}  // namespace dit::vulkan
