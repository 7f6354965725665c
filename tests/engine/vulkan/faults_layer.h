// SPDX-License-Identifier: MIT
// The layer of tests/faults, switched on for as long as this lives: it lets calls fail, and tells which were made.
#pragma once

#include <dlfcn.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "tests/faults/faults.h"

namespace dit::test {

class FaultsLayer {
 public:
  FaultsLayer() {
    const std::string folder = std::string(DIT_BUILD_DIR) + "/tests/faults";
    void* library = dlopen((folder + "/libdit_faults.so").c_str(), RTLD_NOW);
    if (library == nullptr) {
      problem_ = dlerror();
      return;
    }
    arm = reinterpret_cast<DitFaultsArm>(dlsym(library, "dit_faults_arm"));
    count = reinterpret_cast<DitFaultsCount>(dlsym(library, "dit_faults_count"));
    name = reinterpret_cast<DitFaultsName>(dlsym(library, "dit_faults_name"));
    // The validation layer does not take lost work for finished, and calls its end too early.
    if (const char* level = std::getenv("DIT_VULKAN_VALIDATION")) validation_ = level;
    setenv("DIT_VULKAN_VALIDATION", "0", 1);
    setenv("VK_ADD_LAYER_PATH", folder.c_str(), 1);
    setenv("VK_INSTANCE_LAYERS", "VK_LAYER_DIT_faults", 1);
  }
  ~FaultsLayer() {
    if (arm == nullptr) return;
    arm(0, DIT_FAULT_MEMORY);
    setenv("DIT_VULKAN_VALIDATION", validation_.c_str(), 1);
    unsetenv("VK_ADD_LAYER_PATH");
    unsetenv("VK_INSTANCE_LAYERS");
  }
  FaultsLayer(const FaultsLayer&) = delete;
  FaultsLayer& operator=(const FaultsLayer&) = delete;

  /// Why there is no layer; empty if there is.
  const std::string& problem() const { return problem_; }
  /// Calls of a function since the last arming: with DIT_FAULT_MEMORY of all that can fail, with DIT_FAULT_LOSS of
  /// those alone that use the device.
  std::size_t calls(std::string_view function) const {
    std::size_t all = 0;
    for (std::uint64_t i = 1; i <= count(); ++i) all += name(i) == function;
    return all;
  }
  std::size_t submissions() const { return calls("vkQueueSubmit"); }

  DitFaultsArm arm = nullptr;
  DitFaultsCount count = nullptr;
  DitFaultsName name = nullptr;

 private:
  std::string validation_ = "0", problem_;
};

}  // namespace dit::test
