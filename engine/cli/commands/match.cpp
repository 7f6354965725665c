// SPDX-License-Identifier: MIT
// `dit match A B`: two captures or golden files, checkpoint by checkpoint, until the first that is out of tolerance.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "engine/cli/commands/commands.h"
#include "engine/cli/pages/parser.h"
#include "engine/cli/text/numbers.h"
#include "engine/cli/text/print.h"
#include "engine/error.h"
#include "engine/files/file_bytes.h"
#include "engine/model/formats/npy.h"
#include "engine/model/formats/open.h"
#include "engine/model/json_text.h"

namespace dit::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t shown_values = 20;
constexpr std::size_t most_text = 64u << 20;  // of JSON

struct Options {
  std::string a, b;
  std::string precision = "f32";
  std::optional<double> atol, rtol;
  std::string names;
  bool absolute = false;
  bool all = false;
};

/// Values of a checkpoint; with a stride only elements 0, s, 2s, … of the whole tensor are there.
struct Values {
  Shape shape;  // of the whole tensor
  std::size_t stride = 1;
  std::vector<double> values;
};

/// A capture's folder or a file of tensors, as labels in order and the values of each.
class Side {
 public:
  explicit Side(const fs::path& path) : path_(path) { fs::is_directory(path) ? open_capture() : open_file(); }

  const std::vector<std::string>& labels() const { return labels_; }
  bool has(const std::string& label) const { return known_.contains(label); }

  Values read(const std::string& label) const {
    if (!file_) return read_array(label);
    if (const auto foreign = file_->foreign.find(label); foreign != file_->foreign.end()) {
      fail(ErrorKind::wrong_format, "'{}': tensor '{}' cannot be compared: {}", path_.string(),
           printable(label, name_length), foreign->second.problem);
    }
    const WeightView& view = file_->tensors.at(label);
    Values values{view.shape, 1, read_f64(view)};
    const std::string what = fmt::format("'{}': '{}'", path_.string(), printable(label, name_length));
    if (strides_->contains(label)) values.stride = whole_of(strides_->at(label), 1, UINT32_MAX, what + ": stride");
    if (values.stride > 1 && shapes_->contains(label)) values.shape = shape_of(shapes_->at(label), what + ": shape");
    return values;
  }

 private:
  static Shape shape_of(const json& sizes, const std::string& what) {
    expect(sizes.is_array() && sizes.size() <= 32, ErrorKind::wrong_format, "{}: expected a list of sizes, found {}",
           what, text_of(sizes));
    Shape shape;
    for (const json& size : sizes) shape.push_back(static_cast<std::uint32_t>(whole_of(size, 0, UINT32_MAX, what)));
    return shape;
  }

  void open_capture() {
    const fs::path path = path_ / manifest_name;
    expect(fs::exists(path), ErrorKind::not_found, "'{}': expected a capture, found no {}", path_.string(),
           manifest_name);
    try {
      const Json parsed = parse_json(read_text(path, most_text, "capture"), fmt::format("'{}'", path.string()));
      const json& manifest = *parsed;
      const auto format = manifest.at("format").get<std::string>();
      expect(format == capture_format, ErrorKind::wrong_format, "'{}': expected format '{}', found '{}'",
             (path_ / manifest_name).string(), capture_format, format);
      for (const json& entry : manifest.at("checkpoints")) {
        labels_.push_back(entry.at("label").get<std::string>());
        expect(known_.insert(labels_.back()).second, ErrorKind::wrong_format, "'{}': label '{}' is there twice",
               path.string(), labels_.back());
        arrays_[labels_.back()] = path_ / fs::path(entry.at("file").get<std::string>()).filename();
      }
    } catch (const json::exception& error) {
      fail(ErrorKind::wrong_format, "'{}': {}", (path_ / manifest_name).string(), error.what());
    }
  }

  void open_file() {
    file_ = path_.extension() == ".npy" ? npy::open(path_) : open_weights(path_);
    for (const auto& [label, view] : file_->tensors) labels_.push_back(label);
    // In the order of the file, which is that of the network in the files that we write.
    std::ranges::stable_sort(labels_, {},
                             [this](const std::string& label) { return file_->tensors.at(label).bytes.place(); });
    for (const auto& [label, tensor] : file_->foreign) labels_.push_back(label);
    known_.insert(labels_.begin(), labels_.end());
    const auto object = [this](const char* key) {
      const auto found = file_->metadata.find(key);
      if (found == file_->metadata.end() || !found->second.starts_with('{')) return Json(json::object());
      return parse_json(found->second, fmt::format("'{}': metadata '{}'", path_.string(), key));
    };
    strides_ = object("stride");
    shapes_ = object("shape");
  }

  Values read_array(const std::string& label) const {
    const auto array = npy::open(arrays_.at(label));
    const WeightView& view = array->tensors.begin()->second;
    return {view.shape, 1, read_f64(view)};
  }

  fs::path path_;
  std::vector<std::string> labels_;
  std::set<std::string> known_;             // the same
  std::map<std::string, fs::path> arrays_;  // of a capture
  std::shared_ptr<const Weights> file_;     // of anything else
  Json strides_, shapes_;
};

struct Tolerance {
  double atol, rtol;
  bool absolute = false;

  /// For one checkpoint: atol counts in units of B's root mean square where that is above 1, because f32 itself is no
  /// finer. (A residual stream of hundreds rounds to 1e-4 even in elements near zero.)
  Tolerance scaled_to(std::span<const double> b) const {
    double squares = 0;
    for (const double value : b) squares += value * value;
    const double rms = std::sqrt(squares / static_cast<double>(std::max<std::size_t>(1, b.size())));
    return {absolute || !(rms > 1) || std::isinf(rms) ? atol : atol * rms, rtol, absolute};
  }

  /// NaN and infinity never match, not even each other.
  bool holds(double a, double b) const {
    // Of an infinite b, the right side is infinite, too.
    return std::isfinite(a) && std::isfinite(b) && std::fabs(a - b) <= atol + rtol * std::fabs(b);
  }
};

/// What comparing one checkpoint found. Positions count the values that both sides have.
struct Result {
  double largest = 0, sum = 0, scale = 0;
  std::size_t count = 0, bad = 0, first_bad = 0, worst = 0;
};

Result compare(std::span<const double> a, std::span<const double> b, const Tolerance& tolerance) {
  Result result;
  result.count = a.size();
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double error = std::fabs(a[i] - b[i]);
    result.sum += error;
    result.scale = std::max(result.scale, std::fabs(b[i]));
    if (!(error <= result.largest)) {  // so that NaN wins, and stays
      if (!std::isnan(result.largest)) result.worst = i;
      result.largest = std::isnan(result.largest) ? result.largest : error;
    }
    if (tolerance.holds(a[i], b[i])) continue;
    if (result.bad++ == 0) result.first_bad = i;
  }
  return result;
}

/// Without dimensions of one, which frameworks add and leave out.
Shape squeezed(Shape shape) {
  std::erase(shape, 1u);
  return shape;
}

/// Brings both sides to the elements that both have.
void align(const std::string& label, Values& a, Values& b) {
  const auto thin = [](Values& values, std::size_t stride) {
    std::vector<double> kept;
    for (std::size_t i = 0; i < values.values.size(); i += stride) kept.push_back(values.values[i]);
    values.values = std::move(kept);
    values.stride = stride;
  };
  const std::size_t of_a = a.stride, of_b = b.stride;
  expect(of_a == of_b || of_a == 1 || of_b == 1, ErrorKind::wrong_format,
         "'{}': A has every {}th value and B every {}th: nothing to compare", label, of_a, of_b);
  if (of_a < of_b) thin(a, of_b);
  if (of_b < of_a) thin(b, of_a);
  expect(squeezed(a.shape) == squeezed(b.shape) && a.values.size() == b.values.size(), ErrorKind::wrong_format,
         "'{}': A has {} ({} values), B has {} ({} values)", label, to_string(a.shape), a.values.size(),
         to_string(b.shape), b.values.size());
  expect(!a.values.empty(), ErrorKind::wrong_format, "'{}': both are empty: nothing to compare", label);
}

void print_rows(const Values& a, const Values& b, std::size_t first, const Tolerance& tolerance) {
  say("  {:>10}  {:>16}  {:>16}  {:>11}\n", "element", "A", "B", "|A-B|");
  for (std::size_t i = first; i < std::min(first + shown_values, a.values.size()); ++i) {
    const double x = a.values[i], y = b.values[i];
    say("  {:>10}  {:>16.9g}  {:>16.9g}  {:>11.3g}{}\n", i * a.stride, x, y, std::fabs(x - y),
        tolerance.holds(x, y) ? "" : "  out of tolerance");
  }
}

void print_failure(const std::string& label, const Values& a, const Values& b, const Result& result,
                   const Tolerance& tolerance) {
  say("\n'{}' {}: {} of {} values out of |A-B| <= {:.3g} + {:g} |B|, first at element {}, worst at element {}\n", label,
      to_string(a.shape), result.bad, result.count, tolerance.atol, tolerance.rtol, result.first_bad * a.stride,
      result.worst * a.stride);
  print_rows(a, b, 0, tolerance);
  if (result.first_bad < shown_values) return;
  say("  ...\n");
  print_rows(a, b, result.first_bad, tolerance);
}

std::map<std::string, std::string> read_names(const std::string& path) {
  if (path.empty()) return {};
  try {
    return parse_json(read_text(path, most_text, "names"), fmt::format("'{}'", path))
        ->get<std::map<std::string, std::string>>();
  } catch (const json::exception& error) {
    fail(ErrorKind::wrong_format, "'{}': expected a JSON object of A's labels and B's: {}", path, error.what());
  }
}

/// The tolerance asked for; defaults are a hundredth (f32) and a tenth (f16) of those usual for hand-written GPU ports.
Tolerance tolerance_of(const Options& options) {
  const bool half = options.precision == "f16";
  return {options.atol.value_or(half ? 1e-2 : 1e-4), options.rtol.value_or(half ? 5e-3 : 1e-4), options.absolute};
}

std::string list(const std::vector<std::string>& labels) {
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(labels.size(), 8); ++i) text += (i ? ", " : "") + labels[i];
  return labels.size() > 8 ? text + ", …" : text;
}

void match(const Options& options) {
  const Side a(options.a), b(options.b);
  const auto names = read_names(options.names);
  const Tolerance tolerance = tolerance_of(options);
  std::vector<std::string> only_a, only_b, failed;
  std::set<std::string> seen;
  std::size_t width = 10, compared = 0;
  for (const std::string& label : a.labels()) width = std::max(width, printable(label, name_length).size());
  say("|A-B| <= {:g}{} + {:g} |B|\n{:<{}}  {:>10}  {:>11}  {:>11}  {:>11}\n", tolerance.atol,
      tolerance.absolute ? "" : " max(1, rms B)", tolerance.rtol, "checkpoint", width, "values", "max error",
      "mean error", "max |B|");
  for (const std::string& label : a.labels()) {
    const auto renamed = names.find(label);
    const std::string& other = renamed == names.end() ? label : renamed->second;
    if (!b.has(other)) {
      only_a.push_back(label);
      continue;
    }
    seen.insert(other);
    Values x = a.read(label), y = b.read(other);
    align(label, x, y);
    const Tolerance here = tolerance.scaled_to(y.values);
    const Result result = compare(x.values, y.values, here);
    ++compared;
    say("{:<{}}  {:>10}  {:>11.3g}  {:>11.3g}  {:>11.3g}{}\n", printable(label, name_length), width, result.count,
        result.largest, result.sum / static_cast<double>(std::max<std::size_t>(1, result.count)), result.scale,
        result.bad ? "  FAILED" : "");
    if (result.bad == 0) continue;
    if (failed.empty()) print_failure(label, x, y, result, here);
    failed.push_back(label);
    if (!options.all) break;
  }
  expect(failed.empty(), ErrorKind::wrong_format, "{} and {} differ {} '{}'", options.a, options.b,
         options.all ? fmt::format("at {} of {} checkpoints, first", failed.size(), compared) : "first at",
         failed.empty() ? "" : failed.front());
  for (const std::string& label : b.labels())
    if (!seen.contains(label)) only_b.push_back(label);
  if (!only_a.empty()) say("only in A, not compared: {}\n", list(only_a));
  if (!only_b.empty()) say("only in B, not compared: {}\n", list(only_b));
  expect(compared > 0, ErrorKind::wrong_format, "{} and {} have no checkpoint in common", options.a, options.b);
  say("{} checkpoints match\n", compared);
}

}  // namespace

void add_match(CLI::App& app) {
  CLI::App* command = app.add_subcommand("match", "Compare two captures or golden files, checkpoint by checkpoint");
  auto options = std::make_shared<Options>();
  command->add_option("A", options->a, "Folder of 'dit capture', or a safetensors, GGUF or .npy file")
      ->option_text("FILE")
      ->required();
  command->add_option("B", options->b, "The same; taken as the truth")->option_text("FILE")->required();
  const auto positive = real_number(0, 1e30);
  const std::vector<std::string> precisions = {"f32", "f16"};
  propose(
      command->add_option("--precision", options->precision, "Default tolerances: f32 (1e-4, 1e-4) or f16 (1e-2, 5e-3)")
          ->option_text("TYPE"),
      precisions)
      ->check(CLI::IsMember(precisions));
  command->add_option("--atol", options->atol, "Absolute tolerance: |A-B| <= atol max(1, rms B) + rtol |B|")
      ->option_text("NUMBER")
      ->check(positive);
  command->add_option("--rtol", options->rtol, "Relative tolerance")->option_text("NUMBER")->check(positive);
  command->add_flag("--absolute", options->absolute, "|A-B| <= atol + rtol |B|, however large B is");
  command->add_option("--names", options->names, "JSON object: A's label of a checkpoint to B's, where they differ")
      ->option_text("FILE");
  command->add_flag("--all", options->all, "Go on after the first checkpoint that differs");
  command->footer(
      "Exit status: 0 all match, 1 one differs, or there is nothing to compare.\n"
      "Examples:\n"
      "  dit match rocket-vulkan rocket\n"
      "  dit match golden tests/golden/icons.activations.safetensors --atol 1e-5");
  command->callback([options] { match(*options); });
}

}  // namespace dit::cli
