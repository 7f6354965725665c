// SPDX-License-Identifier: MIT
// `dit generate`: icons, their steps and contact sheets as PNG files.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <set>
#include <system_error>

#include "engine/cli/commands/commands.h"
#include "engine/cli/device_options.h"
#include "engine/cli/interrupt.h"
#include "engine/cli/model_path.h"
#include "engine/cli/numbers.h"
#include "engine/cli/output_path.h"
#include "engine/cli/png.h"
#include "engine/cli/progress.h"
#include "engine/cli/sheet.h"
#include "engine/session/session.h"

namespace dit::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string model;
  DeviceChoice machine;
  std::vector<std::string> prompts;
  std::vector<std::string> styles;
  std::uint64_t seed = 0;
  std::string name;
  std::optional<std::uint32_t> steps;
  std::string sampler;
  std::optional<double> guidance;
  std::uint64_t index = 0;
  std::uint32_t count = 1;
  std::uint32_t batch_size = 1;
  std::string output = "icon.png";
  std::string steps_folder;
  std::string sheet;
  std::uint32_t sheet_columns = 0;
  std::uint32_t sheet_scale = 1;
  bool quiet = false;
};

double milliseconds(Clock::duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

/// One run of the command: what to paint, and what has been painted so far.
class Job {
 public:
  explicit Job(const Options& options)
      : options_(options),
        several_(options.prompts.size() * options.styles.size() * options.count > 1),
        output_(options.output, several_) {}

  void run();

 private:
  void open();
  void prepare_folder() const;
  IconSettings settings(const std::string& prompt, const std::string& style) const;
  void paint(const IconSettings& settings, std::uint64_t first, std::uint32_t count);
  void keep_step(std::uint32_t count);
  void write_icons(std::uint64_t first, std::uint32_t count);
  void write_sheet() const;
  void warn();
  void tell_readings();
  void warn_of(const std::string& text);
  Image read(std::uint32_t icon);
  template <typename... Args>
  void report(fmt::format_string<Args...> text, Args&&... args) const;

  std::uint64_t icons() const { return options_.prompts.size() * options_.styles.size() * options_.count; }
  bool every_step_wanted() const { return !options_.steps_folder.empty() || sheet_of_steps(); }
  bool sheet_of_steps() const { return !options_.sheet.empty() && !several_; }

  const Options& options_;
  bool several_;
  OutputPath output_;
  Interrupt interrupt_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<Progress> progress_;
  std::uint64_t number_ = 0;      ///< icons finished
  std::vector<double> icon_ms_;   ///< of each icon, in the engine: without opening and PNG files
  std::vector<Image> pictures_;   ///< for the sheet
  std::set<std::string> warned_;  ///< warnings already printed
};

template <typename... Args>
void Job::report(fmt::format_string<Args...> text, Args&&... args) const {
  if (options_.quiet) return;
  if (progress_) progress_->clear();
  // Standard output belongs to the picture when the picture goes there.
  fmt::print(options_.output == "-" || options_.sheet == "-" ? stderr : stdout, text, std::forward<Args>(args)...);
}

void Job::open() {
  const auto start = Clock::now();
  session_ = Session::open({.model = model_path(options_.model),
                            .lexicon = lexicon_path(),
                            .device = options_.machine.device,
                            .options = options_.machine.options()});
  interrupt_.watch(session_.get());
  report("{}\n", session_->device_note());
  if (const std::string& warning = session_->device().warning; !warning.empty()) {
    fmt::print(stderr, "warning: {}\n", warning);
  }
  report("opened {} in {:.0f} ms\n", session_->model().config().name, milliseconds(Clock::now() - start));
}

void Job::prepare_folder() const {
  if (options_.steps_folder.empty()) return;
  std::error_code error;
  std::filesystem::create_directories(options_.steps_folder, error);
  expect(!error, ErrorKind::unreadable, "cannot make folder '{}': {}", options_.steps_folder, error.message());
}

IconSettings Job::settings(const std::string& prompt, const std::string& style) const {
  IconSettings settings;
  settings.prompt = prompt;
  settings.style = style;
  settings.seed = options_.name.empty() ? options_.seed : seed_from_name(options_.name);
  settings.steps = options_.steps;
  if (!options_.sampler.empty()) settings.sampler = sampler_from_name(options_.sampler);
  settings.guidance = options_.guidance;
  return settings;
}

Image Job::read(std::uint32_t icon) {
  const ModelConfig& config = session_->model().config();
  Image image(config.width, config.height);
  session_->read(icon, image.rgba);
  return image;
}

void Job::warn() {
  for (const std::string& text :
       {describe_unknown(session_->model().config(), session_->label()), session_->take_warning()})
    warn_of(text);
}

/// What is painted for words that the model has not: said once, as it is no mistake.
void Job::tell_readings() {
  const std::string text = describe_readings(session_->label());
  if (!text.empty() && warned_.insert(text).second) report("{}\n", text);
}

void Job::warn_of(const std::string& text) {
  if (text.empty() || !warned_.insert(text).second) return;
  if (progress_) progress_->clear();
  fmt::print(stderr, "dit: warning: {}\n", text);
}

void Job::keep_step(std::uint32_t count) {
  const int width = static_cast<int>(std::to_string(session_->steps()).size());
  for (std::uint32_t icon = 0; icon < count; ++icon) {
    Image image = read(icon);
    if (!options_.steps_folder.empty()) {
      const std::string which = several_ ? fmt::format("icon-{}-", options_.index + number_ + icon) : "";
      write_png(std::filesystem::path(options_.steps_folder) /
                    fmt::format("{}step-{:0{}}.png", which, session_->step(), width),
                image);
    }
    if (sheet_of_steps()) pictures_.push_back(std::move(image));
  }
}

void Job::write_icons(std::uint64_t first, std::uint32_t count) {
  for (std::uint32_t icon = 0; icon < count; ++icon) {
    const Image image = read(icon);
    const std::filesystem::path path = output_.number(options_.index + number_);
    write_png(path, image);
    report("{}  seed {} index {}\n", path == "-" ? "standard output" : path.string(),
           options_.name.empty() ? options_.seed : seed_from_name(options_.name), first + icon);
    if (!options_.sheet.empty() && !sheet_of_steps()) pictures_.push_back(image);
    ++number_;
  }
}

void Job::paint(const IconSettings& settings, std::uint64_t first, std::uint32_t count) {
  const auto start = Clock::now();
  const bool stepwise = every_step_wanted() || Progress::visible();
  session_->begin(settings, first, count, stepwise ? Pace::step_by_step : Pace::whole);
  auto painting = Clock::now() - start;
  warn();
  tell_readings();
  const std::uint32_t steps = session_->steps();
  if (!progress_) progress_ = std::make_unique<Progress>(icons() * steps);
  for (std::uint32_t step = stepwise ? 1 : steps; step <= steps; ++step) {
    const auto begin = Clock::now();
    session_->advance(step);
    painting += Clock::now() - begin;
    if (every_step_wanted()) keep_step(count);
    progress_->update(number_ * steps + std::uint64_t{step} * count,
                      fmt::format("icon {}/{}, step {}/{}", number_ + 1, icons(), step, steps));
  }
  icon_ms_.insert(icon_ms_.end(), count, milliseconds(painting) / count);
  write_icons(first, count);
}

void Job::write_sheet() const {
  if (options_.sheet.empty()) return;
  constexpr std::uint32_t most_columns = 8;
  std::uint32_t columns = options_.sheet_columns;
  if (columns == 0) {
    // With several styles, one row for each; otherwise as many columns as fit a page.
    columns = options_.styles.size() > 1 ? static_cast<std::uint32_t>(options_.prompts.size()) * options_.count
                                         : std::min(most_columns, static_cast<std::uint32_t>(pictures_.size()));
  }
  write_png(options_.sheet, contact_sheet(pictures_, columns, options_.sheet_scale));
  report("{}  {} {}\n", options_.sheet == "-" ? "standard output" : options_.sheet, pictures_.size(),
         sheet_of_steps() ? "steps" : "icons");
}

void Job::run() {
  expect(options_.output != "-" || options_.sheet != "-", ErrorKind::settings,
         "standard output: expected one picture, found the icon and the sheet");
  open();
  prepare_folder();
  for (const std::string& style : options_.styles) {
    for (const std::string& prompt : options_.prompts) {
      for (std::uint32_t done = 0; done < options_.count;) {
        interrupt_.check();
        const std::uint32_t batch = std::min(options_.batch_size, options_.count - done);
        paint(settings(prompt, style), options_.index + done, batch);
        done += batch;
      }
    }
  }
  write_sheet();
  std::nth_element(icon_ms_.begin(), icon_ms_.begin() + static_cast<std::ptrdiff_t>(number_ / 2), icon_ms_.end());
  report("{} {} of {} steps, {:.1f} ms {}\n", number_, number_ == 1 ? "icon" : "icons", session_->steps(),
         icon_ms_[number_ / 2], number_ == 1 ? "each" : "each (median)");
}

std::string sampler_help() {
  std::vector<std::string> names;
  for (const Sampler sampler : all_samplers()) names.emplace_back(name_of(sampler));
  return fmt::format("Solver: {}. Default: the model's", fmt::join(names, ", "));
}

void add_picture_options(CLI::App& command, Options& options) {
  command.add_option("-p,--prompt", options.prompts, "What to paint; may be given several times")
      ->option_text("TEXT")
      ->allow_extra_args(false);
  command.add_option("--style", options.styles, "How to paint it, see 'dit styles'; may be given several times")
      ->option_text("STYLE")
      ->allow_extra_args(false);
  CLI::Option* seed = command.add_option("--seed", options.seed, "Which of 2^64 series of icons; default 0")
                          ->option_text("NUMBER")
                          ->check(whole_number);
  command.add_option("--name", options.name, "Any text instead of a seed: the same text owns the same icons")
      ->option_text("TEXT")
      ->excludes(seed);
  command.add_option("--index", options.index, "First icon of the series; default 0")
      ->option_text("NUMBER")
      ->check(whole_number);
  command.add_option("-n,--count", options.count, "Icons of each prompt and style; default 1")
      ->option_text("NUMBER")
      ->check(CLI::Range(1u, 1000000u));
  command.add_option("--steps", options.steps, "Denoising steps. Default: the model's")
      ->option_text("NUMBER")
      ->check(CLI::Range(1u, 1000u));
  command.add_option("--sampler", options.sampler, sampler_help())->option_text("NAME");
  command.add_option("--guidance", options.guidance, "Classifier-free guidance; 1 is off. Default: the model's")
      ->option_text("NUMBER");
}

void add_machine_options(CLI::App& command, Options& options) {
  command.add_option("--model", options.model, model_help)->option_text("FILE");
  add_device_options(command, options.machine);
  command.add_option("--batch-size", options.batch_size, "Icons painted together; changes speed, never a picture")
      ->option_text("NUMBER")
      ->check(CLI::Range(1u, 1024u));
}

void add_output_options(CLI::App& command, Options& options) {
  command
      .add_option("-o,--output", options.output,
                  "Where the icon goes, default icon.png. %d or %03d is its number; without it several icons get -0, "
                  "-1, ... before the extension. '-' is standard output")
      ->option_text("FILE");
  command.add_option("--steps-out", options.steps_folder, "Folder that also gets a PNG of every step")
      ->option_text("FOLDER");
  command.add_option("--sheet", options.sheet, "Contact sheet: of the steps of one icon, or of several icons")
      ->option_text("FILE");
  command.add_option("--sheet-columns", options.sheet_columns, "Pictures in a row of the sheet")
      ->option_text("NUMBER")
      ->check(CLI::Range(1u, 1000u));
  command.add_option("--sheet-scale", options.sheet_scale, "Enlarges the sheet's pictures; default 1")
      ->option_text("NUMBER")
      ->check(CLI::Range(1u, 16u));
  command.add_flag("-q,--quiet", options.quiet, "Print warnings and errors only");
}

}  // namespace

void add_generate(CLI::App& app) {
  CLI::App* command = app.add_subcommand("generate", "Paint icons into PNG files");
  auto options = std::make_shared<Options>();
  add_picture_options(*command, *options);
  add_machine_options(*command, *options);
  add_output_options(*command, *options);
  command->footer(
      "Examples:\n"
      "  dit generate --prompt \"green heart\" --style fluent-emoji --seed 1 -o heart.png\n"
      "  dit generate --prompt rocket --count 4 -o rocket-%02d.png\n"
      "  dit generate --prompt castle --steps-out castle-steps --sheet castle-steps.png\n"
      "  dit generate --prompt cat --prompt tree --style noto --style twemoji --sheet sheet.png -o sheet-%d.png\n"
      "  dit generate --name \"my project\" --prompt robot -o logo.png");
  command->callback([options] {
    if (options->prompts.empty()) options->prompts.emplace_back();
    if (options->styles.empty()) options->styles.emplace_back();
    Job(*options).run();
  });
}

}  // namespace dit::cli
