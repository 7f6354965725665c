// SPDX-License-Identifier: MIT
#include "engine/model/word_index.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <tuple>
#include <utility>

#include "engine/model/model.h"
#include "engine/model/text.h"

namespace dit {
namespace {

std::size_t difference(std::size_t a, std::size_t b) { return a > b ? a - b : b - a; }

}  // namespace

void WordIndex::make() const {
  std::call_once(ready_, [this] {
    make_rows();
    for (std::uint32_t i = 0; i < config_.styles.size(); ++i) styles_.emplace(fold_text(config_.styles[i]), i);
    std::set<std::string> known;
    // Words with a colon are the model's own marks (colours, groups), which nobody mistypes.
    std::ranges::copy_if(config_.words, std::inserter(known, known.end()),
                         [](const std::string& word) { return word.find(':') == std::string::npos; });
    for (const auto& [alias, targets] : config_.aliases) known.insert(alias);
    for (const std::string& word : known) candidates_.push_back({word, decode_utf8(word)});
    std::ranges::stable_sort(candidates_, {}, [](const Candidate& c) { return c.characters.size(); });
  });
}

/// Aliases come before words. What is written as it is typed comes before what only folds to it.
void WordIndex::make_rows() const {
  std::unordered_map<std::string_view, std::uint32_t> places;
  for (std::uint32_t i = 0; i < config_.words.size(); ++i) places.emplace(config_.words[i], i + 1);
  std::unordered_map<std::string, std::vector<std::uint32_t>> later;
  const auto add = [&](const std::string& written, std::vector<std::uint32_t> rows) {
    const std::string folded = fold_text(written);
    (folded == written ? rows_ : later).try_emplace(folded, std::move(rows));
  };
  for (const auto& [alias, targets] : config_.aliases) {
    std::vector<std::uint32_t> rows;
    for (const std::string& target : targets) {
      if (const auto found = places.find(target); found != places.end()) rows.push_back(found->second);
    }
    add(alias, std::move(rows));
  }
  for (std::uint32_t i = 0; i < config_.words.size(); ++i) add(config_.words[i], {i + 1});
  rows_.merge(later);
}

const std::vector<std::uint32_t>& WordIndex::rows(const std::string& word) const {
  static const std::vector<std::uint32_t> none;
  make();
  const auto found = rows_.find(word);
  return found == rows_.end() ? none : found->second;
}

std::optional<std::uint32_t> WordIndex::style(std::string_view name) const {
  const auto written = std::ranges::find(config_.styles, name);
  if (written != config_.styles.end()) return static_cast<std::uint32_t>(written - config_.styles.begin());
  make();
  const auto folded = styles_.find(fold_text(name));
  return folded == styles_.end() ? std::nullopt : std::optional(folded->second);
}

std::vector<std::string> WordIndex::nearest(std::string_view word, std::size_t count) const {
  make();
  // No vocabulary has longer words, and the distance costs their product.
  const std::u32string wanted = decode_utf8(word.substr(0, 256)).substr(0, 64);
  using Ranked = std::pair<std::size_t, const Candidate*>;
  const auto before = [](const Ranked& a, const Ranked& b) {
    return std::tie(a.first, a.second->text) < std::tie(b.first, b.second->text);
  };
  std::vector<Ranked> best;  // a heap, the worst on top
  std::vector<std::size_t> row;
  // From words of the same length outwards: those of other lengths cannot be nearer than they differ in it.
  const auto middle =
      std::ranges::lower_bound(candidates_, wanted.size(), {}, [](const Candidate& c) { return c.characters.size(); });
  auto shorter = middle, longer = middle;
  while (count > 0 && (shorter != candidates_.begin() || longer != candidates_.end())) {
    const auto gap = [&](auto at) { return difference(at->characters.size(), wanted.size()); };
    const bool up =
        shorter == candidates_.begin() || (longer != candidates_.end() && gap(longer) <= gap(std::prev(shorter)));
    const Candidate& candidate = up ? *longer++ : *--shorter;
    const std::size_t most = best.size() < count ? std::u32string::npos - 1 : best.front().first;
    if (difference(candidate.characters.size(), wanted.size()) > most) break;
    const Ranked ranked{edit_distance(wanted, candidate.characters, most, row), &candidate};
    if (best.size() == count && !before(ranked, best.front())) continue;
    if (best.size() == count) {
      std::ranges::pop_heap(best, before);
      best.pop_back();
    }
    best.push_back(ranked);
    std::ranges::push_heap(best, before);
  }
  std::ranges::sort_heap(best, before);
  std::vector<std::string> result;
  for (const auto& [distance, candidate] : best) {
    if (distance < std::max(wanted.size(), candidate->characters.size())) result.push_back(candidate->text);
  }
  return result;
}

std::shared_ptr<const WordIndex> index_of(const ModelConfig& config) {
  if (config.index && config.index->is_of(config)) return config.index;
  return std::make_shared<const WordIndex>(config);
}

}  // namespace dit
