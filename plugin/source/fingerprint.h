// SPDX-License-Identifier: MIT
// What a weight file is known by: the SHA-256 that sha256sum prints.
#pragma once

#include <filesystem>
#include <future>
#include <string>

namespace dit::plugin {

/// Starts reading the file on a thread, unless this process has read it in this state (path, size, time) before.
/// The result is hex, or empty if the file cannot be read.
std::shared_future<std::string> fingerprint(const std::filesystem::path& path);

}  // namespace dit::plugin
