// SPDX-License-Identifier: MIT
#include "plugin/source/stream/itinerary.h"

#include <string_view>

namespace dit::plugin {
namespace {

/// "red fox | castle" -> its parts without the spaces around them; an empty part is an unset prompt.
std::vector<std::string> split_prompts(std::string_view text) {
  expect(text.size() <= most_prompt_bytes, ErrorKind::settings, "walk-prompts: expected at most {} bytes, found {}",
         most_prompt_bytes, text.size());
  std::vector<std::string> parts;
  while (true) {
    const std::size_t bar = text.find('|');
    std::string_view part = text.substr(0, bar);
    while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
    while (!part.empty() && part.back() == ' ') part.remove_suffix(1);
    parts.emplace_back(part);
    if (bar == std::string_view::npos) return parts;
    text.remove_prefix(bar + 1);
  }
}

}  // namespace

Itinerary::Itinerary(const Settings& s) : strict_(s.strict_words), walk_(s.walk), loop_(s.walk_loop) {
  common_.style = s.style;
  common_.seed = s.effective_seed();
  if (s.steps > 0) common_.steps = s.steps;
  if (s.sampler > 0) common_.sampler = static_cast<Sampler>(s.sampler - 1);
  if (s.guidance >= 0) common_.guidance = s.guidance;
  if (s.walk > 0 && !s.walk_prompts.empty()) {
    prompts_ = split_prompts(s.walk_prompts);
  } else {
    prompts_ = {s.prompt};
  }
}

Station Itinerary::station(std::uint64_t icon) const noexcept {
  const std::uint64_t seed = common_.seed;
  if (walk_ == 0) return {{.from = {seed, icon}, .toward = {seed, icon}}, 0, 0};
  const std::uint64_t leg = icon / walk_;
  const auto stop = [&](std::uint64_t k) { return loop_ > 0 ? k % loop_ : k; };
  const std::uint64_t from = stop(leg);
  const std::uint64_t toward = stop(leg + 1);
  const double blend = static_cast<double>(icon % walk_) / static_cast<double>(walk_);
  return {{.from = {seed, from}, .toward = {seed, toward}, .blend = blend},
          from % prompts_.size(),
          toward % prompts_.size()};
}

std::pair<std::uint64_t, std::uint64_t> Itinerary::leg(std::uint64_t icon) const noexcept {
  if (!changes_prompt()) return {0, G_MAXUINT64};
  const std::uint64_t first = icon / walk_ * walk_;
  return {first, first + walk_ - 1};
}

}  // namespace dit::plugin
