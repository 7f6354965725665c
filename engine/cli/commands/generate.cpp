// SPDX-License-Identifier: MIT
// `dit generate`: icons, their steps and contact sheets as PNG files.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "engine/cli/commands/commands.h"
#include "engine/cli/generate_options.h"
#include "engine/cli/interrupt.h"
#include "engine/cli/model_path.h"
#include "engine/cli/output_path.h"
#include "engine/cli/outputs.h"
#include "engine/cli/pictures/picture_files.h"
#include "engine/cli/pictures/png.h"
#include "engine/cli/pictures/sheet.h"
#include "engine/cli/pictures/sketch.h"
#include "engine/cli/progress.h"
#include "engine/cli/text/print.h"
#include "engine/files/new_file.h"
#include "engine/session/session.h"

namespace dit::cli {
namespace {

using Options = GenerateOptions;
using Clock = std::chrono::steady_clock;

double milliseconds(Clock::duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

/// One run of the command: what to paint, and what has been painted so far.
class Job {
 public:
  explicit Job(const Options& options)
      : options_(options),
        several_(options.prompts.size() * options.styles.size() * options.count * strengths() > 1),
        output_(options.output, several_) {
    // Files and icons of the series are numbered from here on.
    expect(icons() - 1 <= UINT64_MAX - options.index, ErrorKind::settings,
           "index {}: expected at most {} for {} icons: it is a number of 64 bits", options.index,
           UINT64_MAX - (icons() - 1), icons());
  }

  void run();

 private:
  void open();
  void check_sheet() const;
  std::uint32_t sheet_columns(std::uint64_t pictures) const;
  IconSettings settings(const std::string& prompt, const std::string& style) const;
  IconPoint point(std::uint64_t seed, std::uint64_t nth) const;
  void points(std::uint64_t seed, std::uint64_t first, std::vector<IconPoint>& icons) const;
  void paint_all();
  void finish_what_is_painted();
  bool begin(const IconSettings& settings, std::span<const IconPoint> icons, std::span<const IconPoint> following);
  void paint(const IconSettings& settings, std::span<const IconPoint> icons, std::span<const IconPoint> following);
  void keep_step(std::uint32_t count);
  void write_icons(std::span<const IconPoint> icons);
  void write_sheet() const;
  void warn();
  void tell_readings();
  void warn_of(const std::string& text);
  Image read(std::uint32_t icon);
  template <typename... Args>
  void report(fmt::format_string<const Args&...> text, const Args&... args) const;

  /// How many icons of the same seed and index there are.
  std::uint64_t strengths() const { return options_.from.empty() ? 1 : options_.strengths.size(); }
  /// Of a prompt and style.
  std::uint64_t each() const { return options_.count * strengths(); }
  std::uint64_t icons() const { return options_.prompts.size() * options_.styles.size() * each(); }
  bool sheet_of_strengths() const { return !options_.sheet.empty() && strengths() > 1; }
  NewFile::Sync sync() const { return options_.sync ? NewFile::Sync::now : NewFile::Sync::later; }
  bool every_step_wanted() const { return !options_.steps_folder.empty() || sheet_of_steps(); }
  bool sheet_of_steps() const { return !options_.sheet.empty() && !several_; }

  const Options& options_;
  bool several_;
  OutputPath output_;
  std::unique_ptr<Session> session_;
  Interrupt interrupt_;  // watches the session
  std::unique_ptr<Progress> progress_;
  std::uint64_t number_ = 0;      ///< icons finished
  std::vector<double> icon_ms_;   ///< of each icon, in the engine: without opening and PNG files
  std::uint32_t most_steps_ = 0;  ///< of an icon
  std::optional<SketchFiles> sketch_;
  std::vector<Image> pictures_;   ///< for the sheet
  std::set<std::string> warned_;  ///< warnings already printed
  bool slow_ = true;              ///< whether a person would see the steps of an icon
  bool new_label_ = true;         ///< whether nothing has been said of the prompt and style yet
  bool announced_ = false;        ///< whether the session knows the next batch
  NewFolders folders_;
  std::optional<PictureFiles> files_;  ///< in them
};

template <typename... Args>
void Job::report(fmt::format_string<const Args&...> text, const Args&... args) const {
  if (options_.quiet) return;
  if (progress_) progress_->clear();
  // Standard output belongs to the picture when the picture goes there.
  print(options_.output == "-" || options_.sheet == "-" ? stderr : stdout, text, args...);
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
    complain("warning: {}\n", warning);
  }
  report("opened {} in {:.0f} ms\n", session_->model().config().name, milliseconds(Clock::now() - start));
}

void Job::check_sheet() const {
  if (options_.sheet.empty()) return;
  const ModelConfig& config = session_->model().config();
  // A row of strengths begins with the picture that they are of.
  const std::uint64_t pictures = sheet_of_steps()       ? options_.steps.value_or(config.default_steps)
                                 : sheet_of_strengths() ? icons() + icons() / strengths()
                                                        : icons();
  expect_sheet_fits({config.width, config.height}, pictures, sheet_columns(pictures), options_.sheet_scale);
}

std::uint32_t Job::sheet_columns(std::uint64_t pictures) const {
  constexpr std::uint64_t most_columns = 8;
  if (options_.sheet_columns != 0) return options_.sheet_columns;
  // With several strengths or styles, one row for each icon or style; otherwise as many columns as fit a page.
  if (sheet_of_strengths()) return static_cast<std::uint32_t>(strengths()) + 1;
  const std::uint64_t of_a_style = std::uint64_t{options_.prompts.size()} * options_.count;
  return static_cast<std::uint32_t>(options_.styles.size() > 1 ? of_a_style : std::min(most_columns, pictures));
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
  // Finding what is like a word takes as long as painting an icon does on a GPU.
  if (std::exchange(new_label_, false)) {
    warn_of(describe_unknown(session_->model().config(), session_->label()));
    tell_readings();
  }
  warn_of(session_->take_warning());
}

/// What is painted for words that the model has not: said once, as it is no mistake.
void Job::tell_readings() {
  const std::string text = describe_readings(session_->label());
  if (!text.empty() && warned_.insert(text).second) report("{}\n", text);
}

void Job::warn_of(const std::string& text) {
  if (text.empty() || !warned_.insert(text).second) return;
  if (progress_) progress_->clear();
  complain("dit: warning: {}\n", text);
}

void Job::keep_step(std::uint32_t count) {
  const int width = static_cast<int>(std::to_string(session_->steps()).size());
  for (std::uint32_t icon = 0; icon < count; ++icon) {
    Image image = read(icon);
    if (!options_.steps_folder.empty()) {
      const std::string name = step_name(several_, options_.index + number_ + icon, session_->step(), width);
      files_->write(std::filesystem::path(options_.steps_folder) / name, image, [] {});
    }
    if (sheet_of_steps()) pictures_.push_back(std::move(image));
  }
}

void Job::write_icons(std::span<const IconPoint> icons) {
  for (std::uint32_t icon = 0; icon < icons.size(); ++icon) {
    if (sheet_of_strengths() && number_ % strengths() == 0) pictures_.push_back(sketch_->picture());
    Image image = read(icon);
    if (!options_.sheet.empty() && !sheet_of_steps()) pictures_.push_back(image);
    const std::filesystem::path path = output_.number(options_.index + number_);
    const IconKey from = icons[icon].from;
    const double strength = icons[icon].sketch.strength;
    files_->write(path, std::move(image), [this, path, from, strength] {
      report("{}  seed {} index {}{}\n", path == "-" ? "standard output" : path.string(), from.seed, from.index,
             options_.from.empty() ? "" : fmt::format(" strength {}", strength));
    });
    ++number_;
  }
}

/// The n-th of the icons of a prompt and style.
IconPoint Job::point(std::uint64_t seed, std::uint64_t nth) const {
  return {.from = {seed, options_.index + nth / strengths()},
          .sketch = sketch_->of_strength(options_.strengths[nth % strengths()])};
}

/// Those from `first` on, as many as there are of them.
void Job::points(std::uint64_t seed, std::uint64_t first, std::vector<IconPoint>& icons) const {
  icons.resize(std::min<std::uint64_t>(options_.batch_size, each() - first));
  for (std::size_t i = 0; i < icons.size(); ++i) icons[i] = point(seed, first + i);
}

/// Returns whether it will be painted step by step.
/// following  the next batch of the same settings, which a GPU goes on with while this one's pictures are read; or none
bool Job::begin(const IconSettings& settings, std::span<const IconPoint> icons, std::span<const IconPoint> following) {
  const bool announced = std::exchange(announced_, false);
  const bool stepwise = !announced && (every_step_wanted() || (Progress::visible() && slow_));
  if (announced) {
    session_->begin_announced();
  } else {
    session_->begin(settings, icons, stepwise ? Pace::step_by_step : Pace::whole);
  }
  announced_ = !stepwise && !every_step_wanted() && following.size() == icons.size();
  if (announced_) session_->announce(following);
  return stepwise;
}

void Job::paint(const IconSettings& settings, std::span<const IconPoint> icons, std::span<const IconPoint> following) {
  constexpr std::uint64_t parts = 1000;  // of an icon: some take fewer steps than others
  constexpr auto visible = std::chrono::milliseconds(80);
  const auto count = static_cast<std::uint32_t>(icons.size());
  const auto start = Clock::now();
  const bool stepwise = begin(settings, icons, following);
  auto painting = Clock::now() - start;
  warn();
  const std::uint32_t steps = session_->steps();
  most_steps_ = std::max(most_steps_, steps);
  if (!progress_) progress_ = std::make_unique<Progress>(this->icons() * parts);
  for (std::uint32_t step = stepwise ? 1 : steps; step <= steps; ++step) {
    const auto begin = Clock::now();
    session_->advance(step);
    painting += Clock::now() - begin;
    if (every_step_wanted()) keep_step(count);
    files_->poll();
    progress_->update(number_ * parts + count * parts * step / steps,
                      fmt::format("icon {}/{}, step {}/{}", number_ + 1, this->icons(), step, steps));
  }
  slow_ = painting > visible;
  icon_ms_.insert(icon_ms_.end(), count, milliseconds(painting) / count);
  write_icons(icons);
}

void Job::write_sheet() const {
  if (options_.sheet.empty()) return;
  write_png(options_.sheet, contact_sheet(pictures_, sheet_columns(pictures_.size()), options_.sheet_scale), sync());
  report("{}  {} {}\n", options_.sheet == "-" ? "standard output" : options_.sheet, pictures_.size(),
         sheet_of_steps()       ? "steps"
         : sheet_of_strengths() ? "pictures"
                                : "icons");
}

void Job::paint_all() {
  std::vector<IconPoint> batch, following;
  for (const std::string& style : options_.styles) {
    for (const std::string& prompt : options_.prompts) {
      const IconSettings wanted = settings(prompt, style);
      new_label_ = true;
      points(wanted.seed, 0, batch);
      for (std::uint64_t done = 0; done < each();) {
        interrupt_.check();
        done += batch.size();
        points(wanted.seed, done, following);
        paint(wanted, batch, following);
        batch.swap(following);
      }
    }
  }
}

/// After an error, which is worth more than another one.
void Job::finish_what_is_painted() {
  try {
    files_->finish();
  } catch (const std::exception&) {
  }
}

void Job::run() {
  expect(options_.output != "-" || options_.sheet != "-", ErrorKind::settings,
         "standard output: expected one picture, found the icon and the sheet");
  check_outputs({.icons = output_,
                 .first = options_.index,
                 .last = options_.index + icons() - 1,
                 .several = several_,
                 .steps_folder = options_.steps_folder,
                 .sheet = options_.sheet},
                folders_, [this] { interrupt_.check(); });
  open();
  const ModelConfig& config = session_->model().config();
  sketch_.emplace(options_.from, options_.mask, config.width, config.height);
  check_sheet();
  files_.emplace(PictureFiles::How{.sync = sync(), .bytes = std::size_t{4} * config.width * config.height},
                 [this] { session_->cancel(); });
  try {
    paint_all();
    files_->finish();
  } catch (const Cancelled&) {
    files_->stop();  // throws what could not be written: that may be why
    throw;
  } catch (...) {
    finish_what_is_painted();
    throw;
  }
  write_sheet();
  std::nth_element(icon_ms_.begin(), icon_ms_.begin() + static_cast<std::ptrdiff_t>(number_ / 2), icon_ms_.end());
  report("{} {} of {} steps, {:.1f} ms {}\n", number_, number_ == 1 ? "icon" : "icons", most_steps_,
         icon_ms_[number_ / 2], number_ == 1 ? "each" : "each (median)");
}

}  // namespace

void add_generate(CLI::App& app) {
  CLI::App* command = app.add_subcommand("generate", "Paint icons into PNG files");
  auto options = std::make_shared<GenerateOptions>();
  add_generate_options(*command, *options);
  command->footer(
      "Examples:\n"
      "  dit generate --prompt \"green heart\" --style fluent-emoji --seed 1 -o heart.png\n"
      "  dit generate --prompt rocket --count 4 -o rocket-%02d.png\n"
      "  dit generate --prompt castle --steps-out castle-steps --sheet castle-steps.png\n"
      "  dit generate --prompt cat --prompt tree --style noto --style twemoji --sheet sheet.png -o sheet-%d.png\n"
      "  dit generate --from drawing.png --strengths 0.4,0.6,0.8 --prompt \"red apple\" --sheet apple.png\n"
      "  dit generate --name \"my project\" --prompt robot -o logo.png");
  command->callback([options] {
    if (options->prompts.empty()) options->prompts.emplace_back();
    if (options->styles.empty()) options->styles.emplace_back();
    // No word of ours may be between a picture's bytes, whatever standard output is called.
    for (std::string* output : {&options->output, &options->sheet})
      if (own_descriptor(link_target(*output)) == STDOUT_FILENO) *output = "-";
    Job(*options).run();
  });
}

}  // namespace dit::cli
