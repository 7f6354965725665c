// SPDX-License-Identifier: MIT
#include "plugin/source/properties.h"

#include <array>
#include <variant>
#include <vector>

#define GST_TYPE_DIT_SRC_EMIT (gst_dit_src_emit_get_type())
#define GST_TYPE_DIT_SRC_SAMPLER (gst_dit_src_sampler_get_type())
#define GST_TYPE_DIT_SRC_LATE_POLICY (gst_dit_src_late_policy_get_type())
#define GST_TYPE_DIT_SRC_PRECISION (gst_dit_src_precision_get_type())
#define GST_TYPE_DIT_SRC_FUSION (gst_dit_src_fusion_get_type())
#define GST_TYPE_DIT_FILTER_SEED_MODE (gst_dit_filter_seed_mode_get_type())

namespace dit::plugin {
namespace {

GType gst_dit_src_emit_get_type() {
  static const GEnumValue values[] = {
      {static_cast<int>(Emit::final), "Finished icons only, one frame each", "final"},
      {static_cast<int>(Emit::steps), "Every step of every icon, one frame each", "steps"},
      {0, nullptr, nullptr},
  };
  static const GType type = g_enum_register_static("GstDitSrcEmit", values);
  return type;
}

GType gst_dit_filter_seed_mode_get_type() {
  static const GEnumValue values[] = {
      {static_cast<int>(SeedMode::fixed), "The same noise for every frame: a still picture is a still icon", "fixed"},
      {static_cast<int>(SeedMode::advance), "Frame k from the noise of icon k", "advance"},
      {0, nullptr, nullptr},
  };
  static const GType type = g_enum_register_static("GstDitFilterSeedMode", values);
  return type;
}

GType gst_dit_src_late_policy_get_type() {
  static const GEnumValue values[] = {
      {static_cast<int>(LatePolicy::repeat), "Show the last finished picture again, so that the rate is steady",
       "repeat"},
      {static_cast<int>(LatePolicy::skip), "Leave out the frames that are over", "skip"},
      {static_cast<int>(LatePolicy::late), "Paint every frame, however late it leaves", "late"},
      {0, nullptr, nullptr},
  };
  static const GType type = g_enum_register_static("GstDitSrcLatePolicy", values);
  return type;
}

/// No default: a sampler that the engine gains must get its line here, and the compiler says so.
const char* describe(Sampler sampler) {
  switch (sampler) {
    case Sampler::euler:
      return "Euler, first order";
    case Sampler::ddim:
      return "DDIM, first order, deterministic";
    case Sampler::ddpm:
      return "DDPM, ancestral: fresh noise at every step";
    case Sampler::dpmpp_2m:
      return "DPM-Solver++(2M), second order";
    case Sampler::dpmpp_3m:
      return "DPM-Solver++(3M), third order";
    case Sampler::ipndm:
      return "iPNDM, up to fourth order";
  }
  return "";
}

GType gst_dit_src_sampler_get_type() {
  // GLib keeps the pointer, so the values live as long as the process.
  static const std::vector<GEnumValue> values = [] {
    std::vector<GEnumValue> list = {{0, "The one that the model was made for", "default"}};
    for (const Sampler sampler : all_samplers()) {
      list.push_back({1 + static_cast<int>(sampler), describe(sampler), name_of(sampler)});
    }
    list.push_back({0, nullptr, nullptr});
    return list;
  }();
  static const GType type = g_enum_register_static("GstDitSrcSampler", values.data());
  return type;
}

GType gst_dit_src_precision_get_type() {
  static const GEnumValue values[] = {
      {static_cast<int>(Precision::automatic),
       "f16-matrix or int16 where the device has it and icons of the model look like those of f32, else f32",
       name_of(Precision::automatic)},
      {static_cast<int>(Precision::f32), "32-bit floating point", name_of(Precision::f32)},
      {static_cast<int>(Precision::f16), "16-bit floating point", name_of(Precision::f16)},
      {static_cast<int>(Precision::f16_matrix), "16-bit floating point on matrix hardware",
       name_of(Precision::f16_matrix)},
      {static_cast<int>(Precision::int8), "8-bit integers", name_of(Precision::int8)},
      {static_cast<int>(Precision::bf16), "16-bit floating point of 8 bits of fraction", name_of(Precision::bf16)},
      {static_cast<int>(Precision::int16), "14-bit integers with a scale for 64", name_of(Precision::int16)},
      {0, nullptr, nullptr},
  };
  static const GType type = g_enum_register_static("GstDitSrcPrecision", values);
  return type;
}

GType gst_dit_src_fusion_get_type() {
  static const GEnumValue values[] = {
      {static_cast<int>(Fusion::automatic), "What is fastest on the device, by dit tune or its class",
       name_of(Fusion::automatic)},
      {static_cast<int>(Fusion::none), "A dispatch for every piece of an operation", name_of(Fusion::none)},
      {static_cast<int>(Fusion::op), "A dispatch for every operation", name_of(Fusion::op)},
      {static_cast<int>(Fusion::block), "A few dispatches for every transformer block", name_of(Fusion::block)},
      {static_cast<int>(Fusion::persistent), "One dispatch for all steps", name_of(Fusion::persistent)},
      {0, nullptr, nullptr},
  };
  static const GType type = g_enum_register_static("GstDitSrcFusion", values);
  return type;
}

template <typename Value>
using Member = Value Settings::*;

/// A text that goes to the file system and not to messages: any bytes will do.
struct Path {
  Member<std::string> member;
};
/// A seed's name; reads back as set, and hides `seed`.
struct Seed {
  Member<std::uint64_t> member;
};

struct Setting {
  std::variant<Member<std::string>, Path, Seed, Member<unsigned>, Member<int>, Member<double>, Member<bool>> place;
  GParamSpec* spec;            ///< floating
  Role only = Role::everyone;  ///< whose property it is
};

constexpr auto common = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS);
constexpr auto before_start = static_cast<GParamFlags>(common | GST_PARAM_MUTABLE_READY);
constexpr auto any_time = static_cast<GParamFlags>(common | GST_PARAM_MUTABLE_PLAYING);
constexpr auto animated = static_cast<GParamFlags>(any_time | GST_PARAM_CONTROLLABLE);

void add_opening(std::vector<Setting>& all, Role role) {
  all.push_back(
      {Path{&Settings::model_location},
       g_param_spec_string("model-location", "Model location",
                           "Weight file (safetensors, WTS1 or GGUF); unset: the environment's DIT_MODEL, else "
                           "the model that was installed or built with the plugin",
                           nullptr, before_start)});
  all.push_back({&Settings::device,
                 g_param_spec_string("device", "Device",
                                     "What paints: auto (a GPU if there is one, else the CPU) | cpu | vulkan | "
                                     "vulkan:<index or part of the name>",
                                     "auto", before_start)});
  all.push_back({&Settings::batch_size,
                 g_param_spec_uint("batch-size", "Batch size",
                                   role == Role::filter
                                       ? "Frames that are waited for and painted at once; never changes a picture"
                                       : "Icons painted at once; never changes a picture",
                                   1, 64, 1, before_start)});
  all.push_back(
      {&Settings::pipelined,
       g_param_spec_boolean("pipelined", "Pipelined",
                            "Keep the icons of a batch at different steps, so that they are finished one "
                            "after the other and not all at once; never changes a picture. Only for emit=final",
                            FALSE, before_start),
       Role::source});
  all.push_back({&Settings::precision,
                 g_param_spec_enum("precision", "Precision", "Numbers that the device computes with",
                                   GST_TYPE_DIT_SRC_PRECISION, static_cast<int>(Precision::automatic), before_start)});
  all.push_back(
      {&Settings::fusion,
       g_param_spec_enum("fusion", "Fusion", "How operations are gathered into GPU dispatches; the CPU ignores it",
                         GST_TYPE_DIT_SRC_FUSION, static_cast<int>(Fusion::automatic), before_start)});
  all.push_back(
      {&Settings::threads, g_param_spec_uint("threads", "Threads", "Threads when painting on the CPU; 0 = one per core",
                                             0, 1024, 0, before_start)});
}

void add_icon(std::vector<Setting>& all, Role role) {
  all.push_back(
      {&Settings::prompt,
       g_param_spec_string("prompt", "Prompt", "What to paint, in words or emoji; unset: whatever style and seed give",
                           nullptr, animated)});
  all.push_back({&Settings::strict_words,
                 g_param_spec_boolean("strict-words", "Strict words",
                                      "Take only words that the model has, and none that the lexicon beside the "
                                      "weights has for others, such as emoji and words of other languages",
                                      FALSE, any_time)});
  all.push_back({&Settings::style,
                 g_param_spec_string("style", "Style", "One of the model's styles; unset: none", nullptr, animated)});
  all.push_back(
      {Seed{&Settings::seed},
       g_param_spec_uint64("seed", "Seed",
                           role == Role::filter
                               ? "Frames are painted from the noise of icon 0 of this seed, or see seed-mode"
                               : "Icon k of the stream is icon k of this seed; the same again on every device",
                           0, G_MAXUINT64, 0, animated)});
  all.push_back({&Settings::seed_name,
                 g_param_spec_string("seed-name", "Seed name",
                                     "Any text, e.g. the name of a project or user, that owns a seed; replaces seed "
                                     "while set",
                                     nullptr, any_time)});
  all.push_back(
      {&Settings::steps, g_param_spec_uint("steps", "Steps", "Denoising steps of an icon; 0 = the model's default", 0,
                                           1000, 0, animated)});
  all.push_back({&Settings::sampler, g_param_spec_enum("sampler", "Sampler", "Solver that leads from noise to icon",
                                                       GST_TYPE_DIT_SRC_SAMPLER, 0, any_time)});
  all.push_back({&Settings::guidance,
                 g_param_spec_double("guidance", "Guidance",
                                     "How strongly prompt and style are followed; 1 = as trained and twice as fast, "
                                     "negative = the model's default",
                                     -1, 100, -1, animated)});
  all.push_back({&Settings::background,
                 g_param_spec_uint("background", "Background",
                                   "Colour under the icon in formats without alpha, as 0xAARRGGBB; AA is ignored", 0,
                                   G_MAXUINT32, 0xffffffff, animated)});
}

void add_sketch(std::vector<Setting>& all) {
  all.push_back({&Settings::strength,
                 g_param_spec_double("strength", "Strength",
                                     "How far an icon may go from its frame: 0 = not at all, 1 = it begins with noise "
                                     "alone; strength x steps of the steps are run, rounded up",
                                     0, 1, 0.7, animated),
                 Role::filter});
  all.push_back({&Settings::mask,
                 g_param_spec_boolean("mask", "Mask",
                                      "Keep what is solid in the frame, by its alpha, and paint only what is clear",
                                      FALSE, any_time),
                 Role::filter});
  all.push_back({&Settings::seed_mode,
                 g_param_spec_enum("seed-mode", "Seed mode", "Which noise frames are painted from",
                                   GST_TYPE_DIT_FILTER_SEED_MODE, static_cast<int>(SeedMode::fixed), any_time),
                 Role::filter});
}

void add_stream(std::vector<Setting>& all) {
  all.push_back(
      {&Settings::live,
       g_param_spec_boolean("is-live", "Is live", "Frames leave when the pipeline's clock says so, from PLAYING on",
                            FALSE, before_start),
       Role::source});
  all.push_back({&Settings::emit,
                 g_param_spec_enum("emit", "Emit", "What becomes a frame; at framerate 0/1 always the finished icon",
                                   GST_TYPE_DIT_SRC_EMIT, static_cast<int>(Emit::final), any_time),
                 Role::source});
  all.push_back(
      {&Settings::hold,
       g_param_spec_uint("hold", "Hold", "Frames for which emit=steps shows a finished icon", 1, G_MAXINT, 1, any_time),
       Role::source});
  all.push_back({&Settings::walk,
                 g_param_spec_uint("walk", "Walk",
                                   "Frames in which the picture moves from one icon of the seed to the next; with "
                                   "emit=steps, icons. 0 = every icon stands for itself",
                                   0, G_MAXINT, 0, animated),
                 Role::source});
  all.push_back({&Settings::walk_loop,
                 g_param_spec_uint("walk-loop", "Walk loop",
                                   "Icons after which a walk is back at its first, so that its film has no seam; "
                                   "0 = it never comes back",
                                   0, G_MAXINT, 0, any_time),
                 Role::source});
  all.push_back({&Settings::walk_prompts,
                 g_param_spec_string("walk-prompts", "Walk prompts",
                                     "Prompts of a walk's icons, separated by |, over and over again; replaces prompt "
                                     "while walk is above 0",
                                     nullptr, any_time),
                 Role::source});
  all.push_back({&Settings::late_policy,
                 g_param_spec_enum("late-policy", "Late policy",
                                   "What a live stream does when an icon takes longer than its frames",
                                   GST_TYPE_DIT_SRC_LATE_POLICY, static_cast<int>(LatePolicy::repeat), before_start),
                 Role::source});
  all.push_back({&Settings::min_steps,
                 g_param_spec_uint("min-steps", "Minimum of steps",
                                   "When icons are too slow for a live stream or a sink, spend fewer steps on each, "
                                   "but never fewer than this; 0 = never fewer than steps",
                                   0, 1000, 0, any_time),
                 Role::source});
  all.push_back({&Settings::post_steps,
                 g_param_spec_boolean("post-steps", "Post steps",
                                      "Post an element message for every step that is shown, not only for every icon",
                                      FALSE, any_time),
                 Role::source});
}

void drop(GParamSpec*& spec) {
  if (spec != nullptr) g_param_spec_unref(g_param_spec_ref_sink(spec));
  spec = nullptr;
}

/// Property id first_setting + i is entry i, whoever asks. A specification belongs to one class, so that every class
/// has its own; those that are not `role`'s are null.
std::vector<Setting> make_table(Role role) {
  std::vector<Setting> all;
  add_opening(all, role);
  add_icon(all, role);
  add_sketch(all);
  add_stream(all);
  for (Setting& setting : all) {
    if (setting.only != Role::everyone && setting.only != role) drop(setting.spec);
  }
  return all;
}

/// Where settings are kept.
const std::vector<Setting>& places() {
  static const std::vector<Setting> all = [] {
    std::vector<Setting> list = make_table(Role::everyone);
    for (Setting& setting : list) drop(setting.spec);
    return list;
  }();
  return all;
}

std::string text_of(const GValue* value) {
  const gchar* text = g_value_get_string(value);
  return text == nullptr ? std::string() : std::string(text);
}

/// The same as valid UTF-8: it travels in messages, where GLib demands that.
std::string utf8_of(const GValue* value) {
  const gchar* text = g_value_get_string(value);
  if (text == nullptr) return {};
  const std::unique_ptr<gchar, decltype(&g_free)> valid(g_utf8_make_valid(text, -1), g_free);
  return valid.get();
}

struct Setter {
  Settings& s;
  const GValue* value;
  void operator()(Member<std::string> m) const { s.*m = utf8_of(value); }
  void operator()(Path path) const { s.*path.member = text_of(value); }
  void operator()(Seed seed) const { s.*seed.member = g_value_get_uint64(value); }
  void operator()(Member<unsigned> m) const { s.*m = g_value_get_uint(value); }
  void operator()(Member<int> m) const { s.*m = g_value_get_enum(value); }
  void operator()(Member<double> m) const { s.*m = g_value_get_double(value); }
  void operator()(Member<bool> m) const { s.*m = g_value_get_boolean(value) != FALSE; }
};

struct Getter {
  const Settings& s;
  GValue* value;
  /// NULL for an empty text, as a property that was never set reads.
  void operator()(Member<std::string> m) const { g_value_set_string(value, (s.*m).empty() ? nullptr : (s.*m).c_str()); }
  void operator()(Path path) const { (*this)(path.member); }
  void operator()(Seed) const { g_value_set_uint64(value, s.effective_seed()); }
  void operator()(Member<unsigned> m) const { g_value_set_uint(value, s.*m); }
  void operator()(Member<int> m) const { g_value_set_enum(value, s.*m); }
  void operator()(Member<double> m) const { g_value_set_double(value, s.*m); }
  void operator()(Member<bool> m) const { g_value_set_boolean(value, s.*m); }
};

const Setting* find(guint id) {
  const std::size_t place = id - first_setting;
  return id >= first_setting && place < places().size() ? &places()[place] : nullptr;
}

}  // namespace

void install_properties(GObjectClass* object_class, Role role) {
  g_object_class_install_property(
      object_class, prop_stats,
      g_param_spec_boxed("stats", "Statistics",
                         "Frames, icons, repeated and skipped frames, times in ns, steps, since the start",
                         GST_TYPE_STRUCTURE, static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));
  guint id = first_setting;
  for (const Setting& setting : make_table(role)) {
    if (setting.spec != nullptr) {
      g_object_class_install_property(object_class, id, setting.spec);
      if (G_IS_PARAM_SPEC_ENUM(setting.spec)) {
        gst_type_mark_as_plugin_api(setting.spec->value_type, static_cast<GstPluginAPIFlags>(0));
      }
    }
    ++id;
  }
}

bool set_property(Settings& settings, guint id, const GValue* value) {
  const Setting* setting = find(id);
  if (setting != nullptr) std::visit(Setter{settings, value}, setting->place);
  return setting != nullptr;
}

bool get_property(const Settings& settings, guint id, GValue* value) {
  const Setting* setting = find(id);
  if (setting != nullptr) std::visit(Getter{settings, value}, setting->place);
  return setting != nullptr;
}

}  // namespace dit::plugin
