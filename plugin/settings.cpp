// SPDX-License-Identifier: MIT
#include "plugin/settings.h"

#include <memory>
#include <vector>

#define GST_TYPE_DIT_SRC_EMIT (gst_dit_src_emit_get_type())
#define GST_TYPE_DIT_SRC_SAMPLER (gst_dit_src_sampler_get_type())

namespace dit::plugin {
namespace {

enum Property : guint {
  prop_model_location = 1,
  prop_device,
  prop_prompt,
  prop_style,
  prop_seed,
  prop_seed_name,
  prop_steps,
  prop_sampler,
  prop_guidance,
  prop_emit,
  prop_hold,
  prop_batch_size,
  prop_threads,
  prop_background,
};

GType gst_dit_src_emit_get_type() {
  static const GEnumValue values[] = {
      {static_cast<int>(Emit::final), "Finished icons only, one frame each", "final"},
      {static_cast<int>(Emit::steps), "Every step of every icon, one frame each", "steps"},
      {0, nullptr, nullptr},
  };
  static const GType type = g_enum_register_static("GstDitSrcEmit", values);
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

/// NULL for an empty text, as a property that was never set reads.
void set_text(GValue* value, const std::string& text) {
  g_value_set_string(value, text.empty() ? nullptr : text.c_str());
}

constexpr auto common = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS);
constexpr auto before_start = static_cast<GParamFlags>(common | GST_PARAM_MUTABLE_READY);
constexpr auto any_time = static_cast<GParamFlags>(common | GST_PARAM_MUTABLE_PLAYING);
constexpr auto animated = static_cast<GParamFlags>(any_time | GST_PARAM_CONTROLLABLE);

void install_opening_properties(GObjectClass* c) {
  g_object_class_install_property(
      c, prop_model_location,
      g_param_spec_string("model-location", "Model location",
                          "Weight file (safetensors); unset: the environment's DIT_MODEL, else the model that was "
                          "installed or built with the plugin",
                          nullptr, before_start));
  g_object_class_install_property(
      c, prop_device,
      g_param_spec_string("device", "Device",
                          "What paints: auto (a GPU if there is one, else the CPU) | cpu | vulkan | "
                          "vulkan:<index or part of the name>",
                          "auto", before_start));
  g_object_class_install_property(
      c, prop_batch_size,
      g_param_spec_uint("batch-size", "Batch size", "Icons painted at once; never changes a picture", 1, 64, 1,
                        before_start));
  g_object_class_install_property(
      c, prop_threads,
      g_param_spec_uint("threads", "Threads", "Threads when painting on the CPU; 0 = one per core", 0, 1024, 0,
                        before_start));
}

void install_icon_properties(GObjectClass* c) {
  g_object_class_install_property(
      c, prop_prompt,
      g_param_spec_string("prompt", "Prompt",
                          "What to paint, in words that the model knows; unset: whatever style and seed give", nullptr,
                          any_time));
  g_object_class_install_property(
      c, prop_style,
      g_param_spec_string("style", "Style", "One of the model's styles; unset: none", nullptr, any_time));
  g_object_class_install_property(
      c, prop_seed,
      g_param_spec_uint64("seed", "Seed", "Icon k of the stream is icon k of this seed; the same again on every device",
                          0, G_MAXUINT64, 0, animated));
  g_object_class_install_property(
      c, prop_seed_name,
      g_param_spec_string("seed-name", "Seed name",
                          "Any text, e.g. the name of a project or user, that owns a seed; replaces seed while set",
                          nullptr, any_time));
  g_object_class_install_property(
      c, prop_steps,
      g_param_spec_uint("steps", "Steps", "Denoising steps of an icon; 0 = the model's default", 0, 1000, 0, any_time));
  g_object_class_install_property(c, prop_sampler,
                                  g_param_spec_enum("sampler", "Sampler", "Solver that leads from noise to icon",
                                                    GST_TYPE_DIT_SRC_SAMPLER, 0, any_time));
  g_object_class_install_property(
      c, prop_guidance,
      g_param_spec_double("guidance", "Guidance",
                          "How strongly prompt and style are followed; 1 = as trained and twice as fast, "
                          "negative = the model's default",
                          -1, 100, -1, animated));
}

void install_stream_properties(GObjectClass* c) {
  g_object_class_install_property(
      c, prop_emit,
      g_param_spec_enum("emit", "Emit", "What becomes a frame; at framerate 0/1 always the finished icon",
                        GST_TYPE_DIT_SRC_EMIT, static_cast<int>(Emit::final), any_time));
  g_object_class_install_property(
      c, prop_hold,
      g_param_spec_uint("hold", "Hold", "Frames for which emit=steps shows a finished icon", 1, G_MAXINT, 1, any_time));
  g_object_class_install_property(
      c, prop_background,
      g_param_spec_uint("background", "Background",
                        "Colour under the icon in formats without alpha, as 0xAARRGGBB; AA is ignored", 0, G_MAXUINT32,
                        0xffffffff, animated));
}

}  // namespace

std::uint64_t Settings::effective_seed() const noexcept { return seed_name.empty() ? seed : seed_from_name(seed_name); }

IconSettings Settings::icon() const {
  IconSettings icon;
  icon.prompt = prompt;
  icon.style = style;
  icon.seed = effective_seed();
  if (steps > 0) icon.steps = steps;
  if (sampler > 0) icon.sampler = static_cast<Sampler>(sampler - 1);
  if (guidance >= 0) icon.guidance = guidance;
  return icon;
}

void install_properties(GObjectClass* object_class) {
  install_opening_properties(object_class);
  install_icon_properties(object_class);
  install_stream_properties(object_class);
  gst_type_mark_as_plugin_api(GST_TYPE_DIT_SRC_EMIT, static_cast<GstPluginAPIFlags>(0));
  gst_type_mark_as_plugin_api(GST_TYPE_DIT_SRC_SAMPLER, static_cast<GstPluginAPIFlags>(0));
}

bool set_property(Settings& s, guint id, const GValue* value) {
  switch (id) {
    case prop_model_location:
      s.model_location = text_of(value);
      return true;
    case prop_device:
      s.device = utf8_of(value);
      return true;
    case prop_prompt:
      s.prompt = utf8_of(value);
      return true;
    case prop_style:
      s.style = utf8_of(value);
      return true;
    case prop_seed:
      s.seed = g_value_get_uint64(value);
      return true;
    case prop_seed_name:
      s.seed_name = text_of(value);
      return true;
    case prop_steps:
      s.steps = g_value_get_uint(value);
      return true;
    case prop_sampler:
      s.sampler = g_value_get_enum(value);
      return true;
    case prop_guidance:
      s.guidance = g_value_get_double(value);
      return true;
    case prop_emit:
      s.emit = static_cast<Emit>(g_value_get_enum(value));
      return true;
    case prop_hold:
      s.hold = g_value_get_uint(value);
      return true;
    case prop_batch_size:
      s.batch_size = g_value_get_uint(value);
      return true;
    case prop_threads:
      s.threads = g_value_get_uint(value);
      return true;
    case prop_background:
      s.background = g_value_get_uint(value);
      return true;
    default:
      return false;
  }
}

bool get_property(const Settings& s, guint id, GValue* value) {
  switch (id) {
    case prop_model_location:
      set_text(value, s.model_location);
      return true;
    case prop_device:
      set_text(value, s.device);
      return true;
    case prop_prompt:
      set_text(value, s.prompt);
      return true;
    case prop_style:
      set_text(value, s.style);
      return true;
    case prop_seed:
      g_value_set_uint64(value, s.effective_seed());
      return true;
    case prop_seed_name:
      set_text(value, s.seed_name);
      return true;
    case prop_steps:
      g_value_set_uint(value, s.steps);
      return true;
    case prop_sampler:
      g_value_set_enum(value, s.sampler);
      return true;
    case prop_guidance:
      g_value_set_double(value, s.guidance);
      return true;
    case prop_emit:
      g_value_set_enum(value, static_cast<int>(s.emit));
      return true;
    case prop_hold:
      g_value_set_uint(value, s.hold);
      return true;
    case prop_batch_size:
      g_value_set_uint(value, s.batch_size);
      return true;
    case prop_threads:
      g_value_set_uint(value, s.threads);
      return true;
    case prop_background:
      g_value_set_uint(value, s.background);
      return true;
    default:
      return false;
  }
}

}  // namespace dit::plugin
