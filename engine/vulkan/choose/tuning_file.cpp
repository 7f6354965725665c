// SPDX-License-Identifier: MIT
#include "engine/vulkan/choose/tuning_file.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string_view>

#include "engine/error.h"

namespace dit {
namespace {

using nlohmann::json;

constexpr const char* file_name = "tuning.json";
constexpr const char* format = "ditsrc-tuning/1";
constexpr std::size_t most_entries = 256;
constexpr double noticeable = 0.97;

/// What there was no folder for.
struct Unwritten {
  std::mutex mutex;
  std::map<std::pair<std::string, std::string>, Tuned> entries;
};

Unwritten& unwritten() {
  static Unwritten& all = *new Unwritten;
  return all;
}

/// The entries of a file; none where it is anything else.
json read_entries(const CacheFolder& folder) {
  const std::optional<std::string> text = folder.read(file_name);
  if (!text) return json::object();
  const json file = json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!file.is_object() || file.value("format", json()) != format) return json::object();
  const json entries = file.value("entries", json());
  return entries.is_object() ? entries : json::object();
}

std::optional<Tuned> entry_from(const json& entry) {
  if (!entry.is_object() || !entry.contains("fusion") || !entry["fusion"].is_string()) return {};
  try {
    Tuned tuned;
    tuned.fusion = fusion_from_name(entry["fusion"].get<std::string>());
    if (tuned.fusion == Fusion::automatic) return {};
    for (const auto& [name, time] : entry.at("milliseconds").items()) {
      tuned.milliseconds.emplace_back(fusion_from_name(name), time.get<double>());
    }
    return tuned;
  } catch (const std::exception&) {
    return {};
  }
}

void drop_oldest(json& entries) {
  while (entries.size() > most_entries) {
    auto oldest = entries.begin();
    const auto date = [](const json& entry) {
      return entry.is_object() ? entry.value("date", json("")).dump() : std::string();
    };
    for (auto entry = entries.begin(); entry != entries.end(); ++entry) {
      if (date(*entry) < date(*oldest)) oldest = entry;
    }
    entries.erase(oldest);
  }
}

std::string now() { return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr))); }

std::string text_of(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ",")); }

}  // namespace

bool is_tuned(const DeviceInfo& device) {
  const char* set = std::getenv("DIT_TUNE");
  const std::string_view wish = set ? set : "";
  if (wish == "0") return false;
  return device.hardware_gpu || (wish == "all" && !device.spec.starts_with("cpu"));
}

std::string shape_key(const Program& program) {
  std::uint32_t tokens = 0, dim = 0, depth = 0, heads = 0, widest = 0;
  std::string all;
  for (const Op& op : program.step) {
    const Shape& shape = program.tensor(output_of(op.what)).shape;
    all += std::string(kernel_name(op.what)) + text_of(shape);
    if (const auto* embed = std::get_if<op::Embed>(&op.what)) {
      tokens = static_cast<std::uint32_t>(shape.at(1));
      dim = static_cast<std::uint32_t>(shape.at(2));
      all += text_of(program.tensor(embed->weight).shape);
    } else if (const auto* attention = std::get_if<op::Attention>(&op.what)) {
      ++depth;
      heads = attention->heads;
      all += fmt::format("n{}", heads);
    } else if (const auto* product = std::get_if<op::GatedLinearAdd>(&op.what)) {
      widest = std::max(widest, static_cast<std::uint32_t>(program.tensor(product->weight).shape.back()));
    }
  }
  return fmt::format("tokens {} dim {} depth {} heads {} mlp {} batch {}{} ops {:016x}", tokens, dim, depth, heads,
                     widest, program.shape.batch, program.shape.guided ? " guided" : "", checksum(all));
}

std::vector<Fusion> by_speed(std::vector<std::pair<Fusion, double>> milliseconds, Fusion usual) {
  for (auto& [fusion, time] : milliseconds) {
    if (fusion == usual) time *= noticeable;
  }
  std::ranges::stable_sort(milliseconds, {}, [](const auto& one) { return one.second; });
  std::vector<Fusion> fusions;
  for (const auto& [fusion, time] : milliseconds) fusions.push_back(fusion);
  return fusions;
}

std::optional<Tuned> TuningFile::recall(const std::string& key) const {
  const json entries = read_entries(folder_);
  if (const auto found = entries.find(key); found != entries.end()) {
    if (auto tuned = entry_from(*found)) return tuned;
  }
  const std::lock_guard lock(unwritten().mutex);
  const auto found = unwritten().entries.find({folder_.path().string(), key});
  return found == unwritten().entries.end() ? std::nullopt : std::optional(found->second);
}

/// Null: the entry is taken out.
bool TuningFile::write_entry(const std::string& key, const json& entry) const {
  const std::lock_guard lock(unwritten().mutex);
  json entries = read_entries(folder_);
  entries.erase(key);
  if (!entry.is_null()) entries[key] = entry;
  drop_oldest(entries);
  const json file = {{"format", format}, {"entries", std::move(entries)}};
  return folder_.write(file_name, file.dump(1) + "\n");
}

void TuningFile::remember(const std::string& key, const Tuned& tuned) const {
  json entry = {{"fusion", name_of(tuned.fusion)}, {"milliseconds", json::object()}, {"date", now()}};
  for (const auto& [fusion, time] : tuned.milliseconds) entry["milliseconds"][name_of(fusion)] = time;
  if (write_entry(key, entry)) return;
  const std::lock_guard lock(unwritten().mutex);
  unwritten().entries.insert_or_assign({folder_.path().string(), key}, tuned);
}

unsigned TuningFile::unfinished(const std::string& key) const {
  const json entries = read_entries(folder_);
  const auto found = entries.find(key);
  if (found == entries.end() || !found->is_object()) return 0;
  const json count = found->value("unfinished", json());
  return count.is_number_unsigned() ? count.get<unsigned>() : 0;
}

void TuningFile::note_unfinished(const std::string& key, unsigned count) const {
  write_entry(key, count == 0 ? json() : json{{"unfinished", count}, {"date", now()}});
}

}  // namespace dit
