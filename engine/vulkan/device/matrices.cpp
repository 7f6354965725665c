// SPDX-License-Identifier: MIT
#include "engine/vulkan/device/matrices.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace dit::vulkan {
namespace {

// The KHR extension as far as it is used here, for headers older than it (1.3.255).
// source: Vulkan specification, VK_KHR_cooperative_matrix revision 2
namespace khr {
constexpr const char* name = "VK_KHR_cooperative_matrix";
constexpr auto features_type = static_cast<VkStructureType>(1000506000);
constexpr auto properties_type = static_cast<VkStructureType>(1000506001);
constexpr std::uint32_t float16 = 0, float32 = 1, subgroup = 3;

struct Properties {
  VkStructureType type = properties_type;
  void* next = nullptr;
  std::uint32_t m = 0, n = 0, k = 0;
  std::uint32_t a = 0, b = 0, c = 0, result = 0;
  VkBool32 saturating = VK_FALSE;
  std::uint32_t scope = 0;
};
using GetProperties = VkResult(VKAPI_PTR*)(VkPhysicalDevice, std::uint32_t*, Properties*);
}  // namespace khr

using Features = MatrixFeatures::Features;

/// What SPIR-V with KHR matrices needs around it: Vulkan 1.3, and pipelines whose subgroups are all whole.
bool has_full_subgroups(const vk::raii::PhysicalDevice& device) {
  if (device.getProperties().apiVersion < VK_API_VERSION_1_3) return false;
  const auto chain = device.getFeatures2<vk::PhysicalDeviceFeatures2, vk::PhysicalDeviceVulkan13Features>();
  const auto& features = chain.get<vk::PhysicalDeviceVulkan13Features>();
  return features.subgroupSizeControl && features.computeFullSubgroups;
}

bool offers_khr(const Instance& instance, const vk::raii::PhysicalDevice& device) {
  if (!has_extension(device, khr::name) || !has_full_subgroups(device)) return false;
  const auto get = reinterpret_cast<khr::GetProperties>(instance.context.getDispatcher()->vkGetInstanceProcAddr(
      static_cast<VkInstance>(*instance.handle), "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR"));
  Features features{khr::features_type};
  VkPhysicalDeviceFeatures2 all{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, &features, {}};
  device.getDispatcher()->vkGetPhysicalDeviceFeatures2(static_cast<VkPhysicalDevice>(*device), &all);
  if (!get || !features.matrices) return false;
  const auto physical = static_cast<VkPhysicalDevice>(*device);
  std::uint32_t count = 0;
  if (get(physical, &count, nullptr) != VK_SUCCESS) return false;
  std::vector<khr::Properties> shapes(count);
  if (get(physical, &count, shapes.data()) < VK_SUCCESS) return false;
  return std::any_of(shapes.begin(), shapes.end(), [](const khr::Properties& p) {
    return p.m == 16 && p.n == 16 && p.k == 16 && p.a == khr::float16 && p.b == khr::float16 && p.c == khr::float32 &&
           p.result == khr::float32 && p.scope == khr::subgroup;
  });
}

bool offers_nv(const vk::raii::PhysicalDevice& device) {
  if (!has_extension(device, VK_NV_COOPERATIVE_MATRIX_EXTENSION_NAME)) return false;
  const auto features =
      device.getFeatures2<vk::PhysicalDeviceFeatures2, vk::PhysicalDeviceCooperativeMatrixFeaturesNV>();
  if (!features.get<vk::PhysicalDeviceCooperativeMatrixFeaturesNV>().cooperativeMatrix) return false;
  using Type = vk::ComponentTypeNV;
  const auto shapes = device.getCooperativeMatrixPropertiesNV();
  return std::any_of(shapes.begin(), shapes.end(), [](const vk::CooperativeMatrixPropertiesNV& p) {
    return p.MSize == 16 && p.NSize == 16 && p.KSize == 16 && p.AType == Type::eFloat16 && p.BType == Type::eFloat16 &&
           p.CType == Type::eFloat32 && p.DType == Type::eFloat32 && p.scope == vk::ScopeNV::eSubgroup;
  });
}

}  // namespace

const char* suffix(MatrixExtension extension) {
  if (extension == MatrixExtension::emulated) return "_matrix_emulated";
  return extension == MatrixExtension::khr ? "_matrix_khr" : "_matrix_nv";
}

MatrixExtension offered_matrices(const Instance& instance, const vk::raii::PhysicalDevice& device, bool suitable) {
  const char* wanted = std::getenv("DIT_MATRIX");
  if (wanted && std::string_view(wanted) == "emulated") return MatrixExtension::emulated;
  if (!suitable) return MatrixExtension::none;
  const bool nv_alone = wanted && std::string_view(wanted) == "nv";
  if (!nv_alone && offers_khr(instance, device)) return MatrixExtension::khr;
  return offers_nv(device) ? MatrixExtension::nv : MatrixExtension::none;
}

const char* MatrixFeatures::extension_name() const {
  switch (extension_) {
    case MatrixExtension::none:
    case MatrixExtension::emulated:
      return nullptr;
    case MatrixExtension::nv:
      return VK_NV_COOPERATIVE_MATRIX_EXTENSION_NAME;
    case MatrixExtension::khr:
      return khr::name;
  }
  return nullptr;
}

void* MatrixFeatures::chained(void* next) {
  if (!extension_name()) return next;
  features_.type = extension_ == MatrixExtension::khr
                       ? khr::features_type
                       : VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_NV;
  features_.next = next;
  if (extension_ == MatrixExtension::khr) {
    full_subgroups_ = {};
    full_subgroups_.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES;
    full_subgroups_.pNext = next;
    full_subgroups_.subgroupSizeControl = full_subgroups_.computeFullSubgroups = VK_TRUE;
    full_subgroups_.maintenance4 = VK_TRUE;  // sizes of workgroups as SPIR-V 1.6 has them; part of Vulkan 1.3
    features_.next = &full_subgroups_;
  }
  features_.matrices = VK_TRUE;
  return &features_;
}

}  // namespace dit::vulkan
