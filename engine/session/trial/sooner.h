// SPDX-License-Identifier: MIT
// Which of two devices paints an icon sooner: an integrated GPU may lose to the processor that it shares a chip with.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "engine/files/cache_folder.h"
#include "engine/session/device.h"
#include "engine/session/trial/self_test.h"

namespace dit {

/// Seconds an icon of the test on a device, so many at a time: the best of `runs` runs after one that warms up.
/// cancel  polled while kernels are built, and once a step. errors  Cancelled
double seconds_an_icon(Executor& executor, const SelfTest& test, std::uint32_t batch = 1, int runs = 2,
                       const std::atomic<bool>& cancel = never_cancelled);

/// What `open_gpu` opens, or what `open_cpu` opens if that paints an icon sooner; its note says both times. Measured
/// once for what `key` names, and kept in the folder; the loser is not opened again. A CPU that cannot be opened loses.
/// errors  those of open_gpu
OpenedDevice sooner(const std::function<OpenedDevice()>& open_gpu, const std::function<OpenedDevice()>& open_cpu,
                    const SelfTestSource& test, const std::string& key, const CacheFolder& folder);

}  // namespace dit
