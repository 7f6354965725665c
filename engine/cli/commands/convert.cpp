// SPDX-License-Identifier: MIT
// `dit convert`: one weight file to another format or number type.
#include "engine/model/convert.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>

#include "engine/cli/commands/commands.h"
#include "engine/cli/pages/parser.h"
#include "engine/cli/text/print.h"
#include "engine/error.h"
#include "engine/files/new_file.h"
#include "engine/model/formats/gguf.h"
#include "engine/model/formats/open.h"
#include "engine/model/formats/safetensors.h"
#include "engine/model/formats/wts1.h"
#include "engine/model/formats/wts1_model.h"
#include "engine/model/model.h"

namespace dit::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string input, output;
  std::string dtype = "keep";
  std::vector<std::string> keep;
};

enum class Format { safetensors, gguf, wts1 };

Format format_of(const fs::path& path) {
  const std::string ending = path.extension().string();
  if (ending == ".safetensors") return Format::safetensors;
  if (ending == ".gguf") return Format::gguf;
  if (ending == ".wts" || ending == ".wts1") return Format::wts1;
  fail(ErrorKind::settings, "'{}': expected a name that ends in .safetensors, .gguf or .wts", path.string());
}

std::optional<DType> dtype_of(const std::string& name) {
  if (name == "keep") return std::nullopt;
  // Short names, because which storage the integers get is the file format's affair.
  if (name == "int4") return DType::int4_g32;
  if (name == "int8") return DType::int8_g32;
  return dtype_from_name(name);
}

/// A favicon diffusor's file under our names, with its configuration; any other as it is.
std::shared_ptr<const Weights> read(const std::string& path) {
  const auto weights = open_weights(path);
  const auto format = weights->metadata.find("format");
  if (format == weights->metadata.end() || format->second != wts1::format) return weights;
  return wts1::to_model(weights, path, wts1::read_changes(path));
}

QuantisedStorage storage_of(Format format) {
  return format == Format::gguf          ? QuantisedStorage::gguf
         : format == Format::safetensors ? QuantisedStorage::safetensors
                                         : QuantisedStorage::none;
}

/// Writes a favicon diffusor's file, and beside it what the format cannot say. A reader takes what lies there for that,
/// so settings of other weights are replaced by none.
void write_wts1(const fs::path& path, const std::shared_ptr<const Weights>& weights) {
  const wts1::FromModel theirs = wts1::from_model(weights);
  const fs::path beside = wts1::changes_path(path);
  const std::string old = wts1::read_changes(path);
  expect(wts1::are_changes(old), ErrorKind::settings,
         "'{}': expected configuration keys of a WTS1 file, which are replaced, found something else", beside.string());
  if (theirs.changes.empty() && old.empty()) return wts1::write(path, *theirs.tensors);
  // Weights with the settings of others are another model: nothing is replaced before both are there.
  NewFile file(beside);
  file.write(theirs.changes.empty() ? "{}\n" : theirs.changes + "\n");
  expect(std::fflush(file.stream()) == 0, ErrorKind::unreadable, "cannot write '{}': {}", beside.string(),
         std::strerror(errno));
  wts1::write(path, *theirs.tensors);
  file.finish();
  say("{}: what the format cannot say; keep it beside the weights\n", beside.string());
}

/// Of metadata that is no text, numbers become it, and of arrays only the length is known.
void tell_what_is_lost(const Weights& weights) {
  for (const auto& [key, value] : weights.gguf_values)
    if (gguf::is_array(value))
      complain("dit: warning: metadata '{}': a GGUF array, kept as its length '{}' only\n", printable(key, name_length),
               weights.metadata.at(key));
}

void write(const fs::path& path, Format format, const std::shared_ptr<const Weights>& weights) {
  switch (format) {
    case Format::safetensors:
      return safetensors::write(path, *weights);
    case Format::gguf:
      return gguf::write(path, *weights);
    case Format::wts1:
      return write_wts1(path, weights);
  }
}

/// What the new file holds, by type, and how far its numbers are from the old ones.
struct Sum {
  std::uint64_t tensors = 0, numbers = 0, bytes = 0;
  double worst = 0;
  std::string where;
};

std::map<std::string, Sum> sums_of(const Weights& before, const Weights& after) {
  std::map<std::string, Sum> sums;
  for (const auto& [name, view] : after.tensors) {
    Sum& sum = sums[name_of(view.dtype)];
    ++sum.tensors;
    sum.numbers += element_count(view.shape);
    sum.bytes += view.bytes.size() + view.scales.size();
    const WeightView& old = before.tensors.at(name);
    if (old.dtype == view.dtype || !is_weight_type(old.dtype)) continue;
    const double error = relative_rms_error(old, view);
    if (!(error <= sum.worst)) sum.worst = error, sum.where = printable(name, name_length);
  }
  return sums;
}

void report(const std::map<std::string, Sum>& sums, const fs::path& path) {
  std::error_code error;  // a pipe has no size
  const std::uintmax_t bytes = fs::file_size(path, error);
  say("{}: {}\n  {:<10} {:>8} {:>12} {:>12}  {}\n", path.string(), error ? "written" : fmt::format("{} bytes", bytes),
      "type", "tensors", "numbers", "bytes", "largest error (of a tensor, rms over rms)");
  for (const auto& [type, sum] : sums) {
    say("  {:<10} {:>8} {:>12} {:>12}  {}\n", type, sum.tensors, sum.numbers, sum.bytes,
        sum.where.empty() ? "none" : fmt::format("{:.2e} in {}", sum.worst, sum.where));
  }
}

void run(const Options& options) {
  const Format format = format_of(options.output);
  expect_writable(options.output);
  const auto source = read(options.input);
  source->expect_all_usable(options.input);
  expect(!source->tensors.empty(), ErrorKind::wrong_format, "weights '{}': expected tensors, found none",
         options.input);
  const auto dtype = dtype_of(options.dtype);
  expect(format != Format::wts1 || !dtype || *dtype == DType::f32, ErrorKind::settings,
         "'{}': a WTS1 file holds f32 only, found --dtype {}", options.output, options.dtype);
  const auto changed = store_quantised_as(convert(source, {dtype, options.keep}), storage_of(format));
  if (dtype && is_quantised(*dtype)) {
    expect(std::ranges::any_of(changed->tensors, [](const auto& entry) { return is_quantised(entry.second.dtype); }),
           ErrorKind::settings,
           "'{}': no matrix to quantise: rows must be a multiple of {} long, and no name kept ({})", options.input,
           group_size, fmt::join(options.keep, ", "));
  }
  // A model must still be one, before a file of it is left behind.
  if (source->metadata.contains("config")) Model::from(changed, options.output);
  // Before writing, since the new file may take the old one's place.
  const auto sums = sums_of(*source, *changed);
  if (format == Format::safetensors) tell_what_is_lost(*changed);
  write(options.output, format, changed);
  report(sums, options.output);
}

}  // namespace

void add_convert(CLI::App& app) {
  CLI::App* command = app.add_subcommand("convert", "Write weights in another file format or number type");
  auto options = std::make_shared<Options>();
  options->keep = kept_by_default();
  command->add_option("input", options->input, "safetensors, GGUF, WTS1 or ONNX (its initialisers)")
      ->option_text("FILE")
      ->required();
  command->add_option("output", options->output, "Its ending says the format: .safetensors, .gguf or .wts")
      ->option_text("FILE")
      ->required();
  const std::vector<std::string> types = {"keep", "f32", "f16", "bf16", "q8_0", "q4_0", "int8", "int4"};
  propose(command->add_option("--dtype", options->dtype, "keep (default), f32, f16, bf16, q8_0, q4_0, int8 or int4")
              ->option_text("TYPE"),
          types)
      ->check(CLI::IsMember(types));
  command
      ->add_option("--keep", options->keep,
                   fmt::format("Quantised types: leave tensors with this in their name as "
                               "they are; may be given several times; '' is none. "
                               "Default: {}",
                               fmt::join(kept_by_default(), ", ")))
      ->option_text("TEXT")
      ->allow_extra_args(false);
  command->footer(
      "q8_0, int8: integers to 127 and an f16 scale for 32 of them. q4_0: -8 to 7. int4: -7 to 7, symmetric.\n"
      "GGUF stores the first two as Q8_0 and the others as Q4_0; safetensors stores integers and NAME.scales.\n"
      "Only matrices whose rows are a multiple of 32 long are quantised.\n"
      "Examples:\n"
      "  dit convert models/icons.safetensors icons-q8.gguf --dtype q8_0\n"
      "  dit convert icons-q8.gguf icons-f16.safetensors --dtype f16\n"
      "  dit convert hippo.wts hippo.safetensors");
  command->callback([options] {
    std::erase(options->keep, "");
    run(*options);
  });
}

}  // namespace dit::cli
