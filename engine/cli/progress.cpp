// SPDX-License-Identifier: MIT
#include "engine/cli/progress.h"
#include "engine/cli/text/print.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace dit::cli {
namespace {

constexpr int bar_width = 30;
// Work that ends sooner needs no bar; redrawing faster than this only flickers.
constexpr auto patience = std::chrono::milliseconds(700);
constexpr auto redraw_interval = std::chrono::milliseconds(80);

}  // namespace

Progress::Progress(std::uint64_t total)
    : total_(std::max<std::uint64_t>(total, 1)), terminal_(visible()), start_(Clock::now()) {}

bool Progress::visible() noexcept { return ::isatty(STDERR_FILENO) == 1; }

void Progress::update(std::uint64_t done, std::string_view what) {
  const auto now = Clock::now();
  if (!terminal_ || now - start_ < patience || now - last_ < redraw_interval) return;
  last_ = now;
  drawn_ = true;
  const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total_));
  const int filled = static_cast<int>(share * bar_width);
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  const double remaining = done == 0 ? 0.0 : elapsed * (1.0 / share - 1.0);
  complain("\r[{:#<{}}{:.<{}}] {:3.0f} %  {:.0f} s left  {}\033[K", "", filled, "", bar_width - filled, 100.0 * share,
           remaining, what);
  std::fflush(stderr);
}

void Progress::clear() {
  if (drawn_) complain("\r\033[K");
  drawn_ = false;
}

}  // namespace dit::cli
