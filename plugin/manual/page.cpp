// SPDX-License-Identifier: MIT
#include "plugin/manual/page.h"

#include <cstdio>
#include <fstream>
#include <memory>
#include <string>

namespace dit::plugin {
namespace {

using Text = std::unique_ptr<gchar, decltype(&g_free)>;

/// Plain text as roff: backslashes and hyphens escaped, no line taken for a request.
std::string roff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out;
}

std::string text_of(const GValue& value) {
  if (G_VALUE_HOLDS_STRING(&value)) {
    const gchar* text = g_value_get_string(&value);
    return text != nullptr ? '"' + std::string(text) + '"' : "unset";
  }
  if (G_VALUE_HOLDS_ENUM(&value)) {
    const auto* values = static_cast<GEnumClass*>(g_type_class_ref(G_VALUE_TYPE(&value)));
    const GEnumValue* found = g_enum_get_value(const_cast<GEnumClass*>(values), g_value_get_enum(&value));
    return found != nullptr ? found->value_nick : "";
  }
  const Text text(gst_value_serialize(&value), g_free);
  return text ? text.get() : "";
}

/// "0 to 1000" for numbers, the nicks for enumerations, empty for others.
std::string range_of(GParamSpec* spec) {
  const auto between = [](auto least, auto most) { return std::to_string(least) + " to " + std::to_string(most); };
  if (G_IS_PARAM_SPEC_UINT(spec)) return between(G_PARAM_SPEC_UINT(spec)->minimum, G_PARAM_SPEC_UINT(spec)->maximum);
  if (G_IS_PARAM_SPEC_INT(spec)) return between(G_PARAM_SPEC_INT(spec)->minimum, G_PARAM_SPEC_INT(spec)->maximum);
  if (G_IS_PARAM_SPEC_UINT64(spec)) {
    return between(G_PARAM_SPEC_UINT64(spec)->minimum, G_PARAM_SPEC_UINT64(spec)->maximum);
  }
  if (G_IS_PARAM_SPEC_DOUBLE(spec)) {
    gchar text[80];
    std::snprintf(text, sizeof text, "%g to %g", G_PARAM_SPEC_DOUBLE(spec)->minimum,
                  G_PARAM_SPEC_DOUBLE(spec)->maximum);
    return text;
  }
  return "";
}

std::string when(GParamFlags flags) {
  std::string text;
  if ((flags & G_PARAM_WRITABLE) == 0) return "read only";
  if ((flags & GST_PARAM_MUTABLE_PLAYING) != 0) {
    text = "changeable while playing";
  } else if ((flags & GST_PARAM_MUTABLE_READY) != 0) {
    text = "to be set before the start";
  }
  if ((flags & GST_PARAM_CONTROLLABLE) != 0) text += ", controllable";
  return text;
}

void write_property(std::ostream& out, GParamSpec* spec) {
  out << ".TP\n.B " << roff(spec->name) << "\n" << roff(g_param_spec_get_blurb(spec)) << ".\n";
  std::string facts = g_type_name(spec->value_type);
  if (const std::string range = range_of(spec); !range.empty()) facts += ", " + range;
  if ((spec->flags & G_PARAM_READABLE) != 0 && !G_IS_PARAM_SPEC_BOXED(spec)) {
    facts += "; default " + text_of(*g_param_spec_get_default_value(spec));
  }
  if (const std::string text = when(spec->flags); !text.empty()) facts += "; " + text;
  out << ".br\n.I " << roff(facts) << "\n";
  if (!G_IS_PARAM_SPEC_ENUM(spec)) return;
  const GEnumClass* values = G_PARAM_SPEC_ENUM(spec)->enum_class;
  for (guint i = 0; i < values->n_values; ++i) {
    out << ".br\n" << roff(values->values[i].value_nick) << ": " << roff(values->values[i].value_name) << "\n";
  }
}

void write_pads(std::ostream& out, GstElementFactory* factory) {
  for (const GList* at = gst_element_factory_get_static_pad_templates(factory); at != nullptr; at = at->next) {
    auto* pad = static_cast<GstStaticPadTemplate*>(at->data);
    out << ".TP\n.B " << roff(pad->name_template) << "\n";
    GstCaps* caps = gst_static_pad_template_get_caps(pad);
    for (guint i = 0; i < gst_caps_get_size(caps); ++i) {
      const Text text(gst_structure_to_string(gst_caps_get_structure(caps, i)), g_free);
      out << (i > 0 ? ".br\n" : "") << roff(text.get()) << "\n";
    }
    gst_caps_unref(caps);
  }
}

}  // namespace

void write_page(const std::filesystem::path& folder, GstPlugin* plugin, GstElementFactory* factory) {
  GstElement* element = gst_element_factory_create(factory, nullptr);
  const std::string name = GST_OBJECT_NAME(factory);
  const auto about = [&](const char* key) { return roff(gst_element_factory_get_metadata(factory, key)); };
  std::ofstream out(folder / (name + ".7"));
  out << ".TH " << roff(name) << " 7 \"\" \"" << roff(gst_plugin_get_package(plugin)) << ' '
      << roff(gst_plugin_get_version(plugin)) << "\" \"GStreamer elements\"\n";
  out << ".SH NAME\n" << roff(name) << " \\- " << about(GST_ELEMENT_METADATA_LONGNAME) << "\n";
  out << ".SH SYNOPSIS\n.B gst\\-launch\\-1.0\n";
  const bool source = gst_element_factory_list_is_type(factory, GST_ELEMENT_FACTORY_TYPE_SRC) != FALSE;
  out << (source ? "" : ".I \\&... !\n") << ".B " << roff(name) << "\n.RI [ property = value ...]\n.I ! ...\n";
  out << ".SH DESCRIPTION\n" << about(GST_ELEMENT_METADATA_DESCRIPTION) << ".\n";
  if (const gchar* const* schemes = gst_element_factory_get_uri_protocols(factory); schemes != nullptr && *schemes) {
    out << ".PP\nIt opens URIs of the form\n.BI " << roff(*schemes)
        << ":// \"PROMPT\" ? \"key\" = \"value\" & \\fR...\n";
  }
  out << ".SH PADS\n";
  write_pads(out, factory);
  out << ".SH PROPERTIES\n";
  guint count = 0;
  const std::unique_ptr<GParamSpec*, decltype(&g_free)> specs(
      g_object_class_list_properties(G_OBJECT_GET_CLASS(element), &count), g_free);
  for (guint i = 0; i < count; ++i) {
    // Those of every object and of base classes are not ours to explain.
    if (specs.get()[i]->owner_type == G_OBJECT_TYPE(element)) write_property(out, specs.get()[i]);
  }
  out << ".SH SEE ALSO\n.BR gst\\-launch\\-1.0 (1),\n.BR gst\\-inspect\\-1.0 (1)\n.PP\n"
      << roff(gst_plugin_get_origin(plugin)) << "\n";
  gst_object_unref(element);
}

}  // namespace dit::plugin
