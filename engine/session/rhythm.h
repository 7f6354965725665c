// SPDX-License-Identifier: MIT
// Which icon of a pipeline is at which of its steps, tick by tick.
#pragma once

#include <cstdint>
#include <numeric>
#include <optional>

namespace dit {

/// The icon at place b starts `interval` ticks after that at place b − 1, and the next one there `period` ticks later;
/// what it does between its last step and then is not looked at.
struct Rhythm {
  std::uint32_t steps = 1;
  std::uint32_t places = 1;

  std::uint32_t interval() const { return (steps + places - 1) / places; }
  std::uint32_t period() const { return interval() * places; }
  /// Ticks after which all repeats, the executor's four predictions of the solver's history too.
  std::uint32_t length() const { return std::lcm(period(), 4u); }
  /// The place whose icon starts with a tick.
  std::optional<std::uint32_t> starting(std::uint64_t tick) const {
    if (tick % interval() != 0) return {};
    return static_cast<std::uint32_t>(tick / interval() % places);
  }
  /// The place whose icon is finished by a tick.
  std::optional<std::uint32_t> finishing(std::uint64_t tick) const {
    if (tick + 1 < steps) return {};
    return starting(tick + 1 - steps);
  }
  /// Steps that the icon at place b has behind it at the start of a tick.
  std::uint32_t age(std::uint64_t tick, std::uint32_t place) const {
    return static_cast<std::uint32_t>((tick + period() - place * interval()) % period());
  }
};

}  // namespace dit
