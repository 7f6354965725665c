// SPDX-License-Identifier: MIT
#include "engine/session/device.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "engine/cpu/executor.h"
#include "engine/error.h"
#include "engine/model/text.h"
#include "engine/session/trial/fast_cpu.h"
#include "engine/session/trial/self_test.h"
#include "engine/session/trial/sooner.h"
#include "engine/vulkan/executor.h"

namespace dit {
namespace {

std::string describe_all(const std::vector<DeviceInfo>& devices) {
  std::string text;
  for (const DeviceInfo& device : devices) {
    text += (text.empty() ? "" : ", ") + device.spec + " (" + device.name +
            (device.problem.empty() ? "" : ": " + device.problem) + ")";
  }
  return text.empty() ? "none" : text;
}

/// The device that the part after "vulkan:" names: an index, or a part of the name in any case.
std::size_t find_vulkan(const std::vector<DeviceInfo>& devices, const std::string& wanted) {
  const bool number = !wanted.empty() && wanted.size() < 4 &&
                      std::all_of(wanted.begin(), wanted.end(), [](char c) { return c >= '0' && c <= '9'; });
  for (std::size_t i = 0; i < devices.size(); ++i) {
    const bool match =
        number ? i == std::stoul(wanted) : lower_ascii(devices[i].name).find(lower_ascii(wanted)) != std::string::npos;
    if (!match) continue;
    expect(devices[i].problem.empty(), ErrorKind::device, "device 'vulkan:{}': {}: {}", wanted, devices[i].name,
           devices[i].problem);
    return i;
  }
  fail(ErrorKind::device, "device 'vulkan:{}': no such Vulkan device; there are: {}", wanted, describe_all(devices));
}

/// Devices from the best for plain "vulkan" on: GPUs of their own, those on the processor's chip, whatever else works.
std::vector<std::size_t> best_first(const std::vector<DeviceInfo>& devices) {
  std::vector<std::size_t> order;
  for (const auto& [hardware, integrated] : {std::pair{true, false}, {true, true}, {false, false}}) {
    for (std::size_t i = 0; i < devices.size(); ++i) {
      if (devices[i].hardware_gpu == hardware && (!hardware || devices[i].integrated == integrated)) order.push_back(i);
    }
  }
  return order;
}

std::size_t first_vulkan(const std::vector<DeviceInfo>& devices) {
  for (const std::size_t i : best_first(devices)) {
    if (devices[i].problem.empty()) return i;
  }
  fail(ErrorKind::device, "device 'vulkan': no usable Vulkan device; there are: {}", describe_all(devices));
}

OpenedDevice open_vulkan(std::size_t index, const Model& model, const DeviceOptions& options,
                         const SelfTestSource& test, const std::string& why) {
  OpenedDevice opened{vulkan::open(model.weights(), index, options, test), {}};
  const DeviceInfo& info = opened.executor->info();
  opened.note = "painting on " + info.name + " through Vulkan: " + why + (info.note.empty() ? "" : "; " + info.note);
  return opened;
}

OpenedDevice open_cpu(const Model& model, const DeviceOptions& options, const SelfTestSource& test,
                      const std::string& why) {
  FastCpu opened = options.precision == Precision::automatic
                       ? open_fast_cpu(model.weights(), options, test, file_key(model), CacheFolder::of_user())
                       : FastCpu{cpu::open(model.weights(), options), ""};
  const std::string note = "painting on the CPU (" + opened.executor->info().name + "): " + why;
  return {std::move(opened.executor), note + (opened.note.empty() ? "" : "; " + opened.note)};
}

/// Made when it is first asked for. thread  one at a time, as an executor
SelfTestSource test_of(const std::shared_ptr<const Model>& model, unsigned threads) {
  return [model, threads, test = std::make_shared<std::optional<SelfTest>>()]() -> const SelfTest& {
    if (!*test) {
      *test = make_self_test(model, [threads](std::shared_ptr<const Weights> weights) {
        return cpu::open(std::move(weights), {.threads = threads, .precision = Precision::f32});
      });
    }
    return **test;
  };
}

/// A GPU; of one on the processor's chip and the CPU, that which paints sooner.
OpenedDevice open_gpu(const DeviceInfo& device, std::size_t index, const Model& model, const DeviceOptions& options,
                      const SelfTestSource& test) {
  const auto open = [&] { return open_vulkan(index, model, options, test, "it is the first usable GPU"); };
  if (!device.integrated) return open();
  const std::string key = fmt::format("{} {} {} {}", file_key(model), device.name, device.driver, options.threads);
  return sooner(
      open, [&] { return open_cpu(model, options, test, device.name + " is slower"); }, test, key,
      CacheFolder::of_user());
}

/// A hardware GPU if one opens, else the CPU, and why.
OpenedDevice open_auto(const Model& model, const DeviceOptions& options, const SelfTestSource& test) {
  std::string reason = "no hardware GPU";
  try {
    const std::vector<DeviceInfo> devices = vulkan::describe();
    for (const std::size_t i : best_first(devices)) {
      if (!devices[i].hardware_gpu) continue;
      std::string problem = devices[i].problem;
      if (problem.empty()) {
        try {
          return open_gpu(devices[i], i, model, options, test);
        } catch (const Error& error) {
          problem = error.what();
        }
      }
      reason = devices[i].name + " cannot be used: " + problem;
    }
  } catch (const Error& error) {
    reason = error.what();
  }
  return open_cpu(model, options, test, reason);
}

}  // namespace

std::vector<DeviceInfo> list_devices() {
  std::vector<DeviceInfo> devices = {cpu::describe(0)};
  try {
    for (DeviceInfo& device : vulkan::describe()) devices.push_back(std::move(device));
  } catch (const Error& error) {
    DeviceInfo none;
    none.spec = "vulkan";
    none.problem = error.what();
    devices.push_back(std::move(none));
  }
  return devices;
}

OpenedDevice open_device(const std::string& spec, std::shared_ptr<const Model> model, const DeviceOptions& options,
                         SelfTestSource test) {
  if (!test) test = test_of(model, options.threads);
  const std::string wanted = lower_ascii(spec);
  if (wanted == "auto") return open_auto(*model, options, test);
  if (wanted == "cpu") return open_cpu(*model, options, test, "asked for");
  if (wanted == "vulkan") return open_vulkan(first_vulkan(vulkan::describe()), *model, options, test, "asked for");
  expect(wanted.starts_with("vulkan:") && wanted.size() > 7, ErrorKind::settings,
         "device: expected auto, cpu, vulkan or vulkan:<index or part of the name>, found '{}'", spec);
  return open_vulkan(find_vulkan(vulkan::describe(), wanted.substr(7)), *model, options, test, "asked for");
}

}  // namespace dit
