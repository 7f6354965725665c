// SPDX-License-Identifier: MIT
#include "plugin/manual/documents.h"

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

namespace dit::plugin {
namespace {

using nlohmann::json;
using Text = std::unique_ptr<gchar, decltype(&g_free)>;

json text_or_null(const gchar* text) { return text != nullptr ? json(text) : json(); }

std::string text_of(const GValue& value) {
  if (G_VALUE_HOLDS_STRING(&value)) {
    const gchar* text = g_value_get_string(&value);
    return text != nullptr ? text : "NULL";
  }
  const Text text(gst_value_serialize(&value), g_free);
  return text ? text.get() : "NULL";
}

/// "min" and "max" of a number.
template <typename Spec>
void add_range(json& property, const Spec* spec) {
  property["min"] = std::to_string(spec->minimum);
  property["max"] = std::to_string(spec->maximum);
}

const char* mutable_when(GParamFlags flags) {
  if ((flags & GST_PARAM_MUTABLE_PLAYING) != 0) return "playing";
  if ((flags & GST_PARAM_MUTABLE_PAUSED) != 0) return "paused";
  return (flags & GST_PARAM_MUTABLE_READY) != 0 ? "ready" : "null";
}

json property_of(GParamSpec* spec) {
  const auto has = [spec](guint flag) { return (spec->flags & flag) != 0; };
  json property = {{"blurb", text_or_null(g_param_spec_get_blurb(spec))},
                   {"conditionally-available", has(GST_PARAM_CONDITIONALLY_AVAILABLE)},
                   {"construct", has(G_PARAM_CONSTRUCT)},
                   {"construct-only", has(G_PARAM_CONSTRUCT_ONLY)},
                   {"controllable", has(GST_PARAM_CONTROLLABLE)},
                   {"mutable", mutable_when(spec->flags)},
                   {"readable", has(G_PARAM_READABLE)},
                   {"type", g_type_name(spec->value_type)},
                   {"writable", has(G_PARAM_WRITABLE)}};
  if (has(G_PARAM_READABLE) && !G_IS_PARAM_SPEC_BOXED(spec)) {
    property["default"] = text_of(*g_param_spec_get_default_value(spec));
  }
  if (G_IS_PARAM_SPEC_UINT(spec)) add_range(property, G_PARAM_SPEC_UINT(spec));
  if (G_IS_PARAM_SPEC_INT(spec)) add_range(property, G_PARAM_SPEC_INT(spec));
  if (G_IS_PARAM_SPEC_UINT64(spec)) add_range(property, G_PARAM_SPEC_UINT64(spec));
  if (G_IS_PARAM_SPEC_INT64(spec)) add_range(property, G_PARAM_SPEC_INT64(spec));
  if (G_IS_PARAM_SPEC_DOUBLE(spec)) add_range(property, G_PARAM_SPEC_DOUBLE(spec));
  return property;
}

/// Enumerations are explained once, under their own name.
json enumeration_of(const GEnumClass* values) {
  json list = json::array();
  for (guint i = 0; i < values->n_values; ++i) {
    const GEnumValue& value = values->values[i];
    list.push_back({{"desc", value.value_name}, {"name", value.value_nick}, {"value", std::to_string(value.value)}});
  }
  return {{"kind", "enum"}, {"values", list}};
}

json pads_of(GstElementFactory* factory) {
  constexpr const char* presence[] = {"always", "sometimes", "request"};
  json pads = json::object();
  for (const GList* at = gst_element_factory_get_static_pad_templates(factory); at != nullptr; at = at->next) {
    auto* pad = static_cast<GstStaticPadTemplate*>(at->data);
    GstCaps* caps = gst_static_pad_template_get_caps(pad);
    const Text text(gst_caps_to_string(caps), g_free);
    gst_caps_unref(caps);
    pads[pad->name_template] = {{"caps", text.get()},
                                {"direction", pad->direction == GST_PAD_SRC ? "src" : "sink"},
                                {"presence", presence[pad->presence]}};
  }
  return pads;
}

json hierarchy_of(GType type) {
  json names = json::array();
  for (; type != 0; type = g_type_parent(type)) names.push_back(g_type_name(type));
  return names;
}

json element_of(GstElementFactory* factory, json& types) {
  const auto about = [factory](const char* key) {
    return text_or_null(gst_element_factory_get_metadata(factory, key));
  };
  GstElement* element = gst_element_factory_create(factory, nullptr);
  json properties = json::object();
  guint count = 0;
  const std::unique_ptr<GParamSpec*, decltype(&g_free)> specs(
      g_object_class_list_properties(G_OBJECT_GET_CLASS(element), &count), g_free);
  for (guint i = 0; i < count; ++i) {
    GParamSpec* spec = specs.get()[i];
    if (spec->owner_type != G_OBJECT_TYPE(element)) continue;
    properties[spec->name] = property_of(spec);
    if (G_IS_PARAM_SPEC_ENUM(spec)) {
      types[g_type_name(spec->value_type)] = enumeration_of(G_PARAM_SPEC_ENUM(spec)->enum_class);
    }
  }
  json result = {{"author", about(GST_ELEMENT_METADATA_AUTHOR)},
                 {"description", about(GST_ELEMENT_METADATA_DESCRIPTION)},
                 {"hierarchy", hierarchy_of(G_OBJECT_TYPE(element))},
                 {"klass", about(GST_ELEMENT_METADATA_KLASS)},
                 {"long-name", about(GST_ELEMENT_METADATA_LONGNAME)},
                 {"name", GST_OBJECT_NAME(factory)},
                 {"pad-templates", pads_of(factory)},
                 {"properties", properties},
                 {"rank", std::to_string(gst_plugin_feature_get_rank(GST_PLUGIN_FEATURE(factory)))}};
  gst_object_unref(element);
  return result;
}

}  // namespace

std::string documents_of(GstPlugin* plugin, const std::vector<GstElementFactory*>& elements) {
  json types = json::object(), all = json::object();
  for (GstElementFactory* factory : elements) all[GST_OBJECT_NAME(factory)] = element_of(factory, types);
  const std::filesystem::path file = gst_plugin_get_filename(plugin);
  const json documents = {{"description", gst_plugin_get_description(plugin)},
                          {"elements", all},
                          {"filename", file.stem().string().substr(3)},  // without "lib"
                          {"license", gst_plugin_get_license(plugin)},
                          {"other-types", types},
                          {"package", gst_plugin_get_package(plugin)},
                          {"source", gst_plugin_get_source(plugin)},
                          {"tracers", json::object()},
                          {"url", gst_plugin_get_origin(plugin)}};
  return json{{gst_plugin_get_name(plugin), documents}}.dump(4);
}

}  // namespace dit::plugin
