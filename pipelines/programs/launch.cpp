// SPDX-License-Identifier: MIT
// gst-launch for scripts that are given text by others: there, text in a pipeline's arguments is parsed again and may
// become elements of it. Here DESCRIPTION is the script's own, and whatever text a property gets is set as it is.
//   build/launch [--print NAME.PROPERTY] DESCRIPTION [NAME.PROPERTY=VALUE...]    NAME: of an element in DESCRIPTION
#include <glib-unix.h>
#include <gst/gst.h>

#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

struct Object {
  explicit Object(gpointer object) : pointer(object) {}
  ~Object() { g_clear_object(&pointer); }
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  gpointer pointer;
};

/// Text of others, for a terminal: control characters and what is not UTF-8 as \xNN.
std::string shown(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const gunichar c = g_utf8_get_char_validated(text.data(), static_cast<gssize>(text.size()));
    const bool valid = c < 0x110000;
    const auto length = valid ? static_cast<std::size_t>(g_utf8_skip[static_cast<guchar>(text[0])]) : 1;
    if (valid && (g_unichar_isprint(c) || c == '\n')) {
      result += text.substr(0, length);
    } else {
      for (const char byte : text.substr(0, length)) {
        char escaped[5];
        std::snprintf(escaped, sizeof escaped, "\\x%02X", static_cast<unsigned>(static_cast<guchar>(byte)));
        result += escaped;
      }
    }
    text.remove_prefix(length);
  }
  return result;
}

std::string taken(GError* error) {
  const std::string text = error->message;
  g_error_free(error);
  return text;
}

/// Decimal or 0x and hexadecimal digits, all of the text; GStreamer would take "08", "+5" and "" for numbers, too.
template <typename Number>
Number read_number(std::string_view text, Number least, Number most) {
  const bool hexadecimal = text.starts_with("0x");
  const std::string_view digits = hexadecimal ? text.substr(2) : text;
  Number number{};
  const char* const end = digits.data() + digits.size();
  const auto [at, error] = std::from_chars(digits.data(), end, number, hexadecimal ? 16 : 10);
  const bool negative_after_0x = hexadecimal && digits.starts_with('-');
  if (error != std::errc() || at != end || negative_after_0x || number < least || number > most) {
    throw std::runtime_error("expected a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return number;
}

/// Throws std::runtime_error, saying what was expected.
void read_value(const std::string& text, GParamSpec* spec, GValue* value) {
  if (G_IS_PARAM_SPEC_STRING(spec)) {
    g_value_set_string(value, text.c_str());
  } else if (G_IS_PARAM_SPEC_UINT(spec)) {
    const auto* range = G_PARAM_SPEC_UINT(spec);
    g_value_set_uint(value, read_number<guint>(text, range->minimum, range->maximum));
  } else if (G_IS_PARAM_SPEC_UINT64(spec)) {
    const auto* range = G_PARAM_SPEC_UINT64(spec);
    g_value_set_uint64(value, read_number<guint64>(text, range->minimum, range->maximum));
  } else if (G_IS_PARAM_SPEC_INT(spec)) {
    const auto* range = G_PARAM_SPEC_INT(spec);
    g_value_set_int(value, read_number<gint>(text, range->minimum, range->maximum));
  } else if (text.empty() || gst_value_deserialize(value, text.c_str()) == FALSE ||
             g_param_value_validate(spec, value) != FALSE) {
    throw std::runtime_error(std::string("expected a ") + g_type_name(spec->value_type) + " in its range");
  }
}

/// NAME.PROPERTY -> the element, to be unreferenced, and what its class says of the property.
std::pair<GstElement*, GParamSpec*> find(GstElement* pipeline, const std::string& path) {
  const std::size_t point = path.find('.');
  if (point == std::string::npos) throw std::runtime_error("expected NAME.PROPERTY, found '" + path + "'");
  const std::string name = path.substr(0, point), property = path.substr(point + 1);
  GstElement* element = gst_bin_get_by_name(GST_BIN(pipeline), name.c_str());
  if (element == nullptr) throw std::runtime_error("no element is called '" + name + "'");
  GParamSpec* spec = g_object_class_find_property(G_OBJECT_GET_CLASS(element), property.c_str());
  if (spec == nullptr) {
    gst_object_unref(element);
    throw std::runtime_error("'" + name + "' has no property '" + property + "'");
  }
  return {element, spec};
}

void set(GstElement* pipeline, const std::string& assignment) {
  const std::size_t equals = assignment.find('=');
  if (equals == std::string::npos) throw std::runtime_error("expected NAME.PROPERTY=VALUE, found '" + assignment + "'");
  const auto [element, spec] = find(pipeline, assignment.substr(0, equals));
  const Object owned(element);
  const std::string text = assignment.substr(equals + 1);
  GValue value = G_VALUE_INIT;
  g_value_init(&value, spec->value_type);
  const std::unique_ptr<GValue, decltype(&g_value_unset)> value_owned(&value, g_value_unset);
  try {
    read_value(text, spec, &value);
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(std::string(spec->name) + ": " + error.what() + ", found '" + text.substr(0, 80) + "'");
  }
  g_object_set_property(G_OBJECT(element), spec->name, &value);
}

/// Returns the exit status.
int play(GstElement* pipeline) {
  struct Run {
    GstElement* pipeline;
    GMainLoop* loop;
    int status;
  } run = {pipeline, g_main_loop_new(nullptr, FALSE), 0};
  const auto interrupt = [](gpointer data) {
    static_cast<Run*>(data)->status = 130;
    g_main_loop_quit(static_cast<Run*>(data)->loop);
    return gboolean{G_SOURCE_CONTINUE};
  };
  g_unix_signal_add(SIGINT, interrupt, &run);
  g_unix_signal_add(SIGTERM, interrupt, &run);
  const Object bus(gst_element_get_bus(pipeline));
  gst_bus_add_watch(
      GST_BUS(bus.pointer),
      [](GstBus*, GstMessage* message, gpointer data) {
        auto* self = static_cast<Run*>(data);
        GError* error = nullptr;
        if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_LATENCY) gst_bin_recalculate_latency(GST_BIN(self->pipeline));
        if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS) g_main_loop_quit(self->loop);
        if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_ERROR || self->status != 0) return gboolean{G_SOURCE_CONTINUE};
        gst_message_parse_error(message, &error, nullptr);
        const std::unique_ptr<gchar, decltype(&g_free)> path(gst_object_get_path_string(message->src), g_free);
        std::fprintf(stderr, "ERROR: from element %s: %s\n", shown(path.get()).c_str(), shown(taken(error)).c_str());
        self->status = 1;
        g_main_loop_quit(self->loop);
        return gboolean{G_SOURCE_CONTINUE};
      },
      &run);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);  // if it fails, the bus says why
  g_main_loop_run(run.loop);
  gst_bus_remove_watch(GST_BUS(bus.pointer));
  g_main_loop_unref(run.loop);
  return run.status;
}

int launch(int argc, char** argv) {
  int at = 1;
  std::string printed;
  if (argc > 2 && std::strcmp(argv[1], "--print") == 0) {
    printed = argv[2];
    at = 3;
  }
  if (at >= argc) throw std::runtime_error("expected [--print NAME.PROPERTY] DESCRIPTION [NAME.PROPERTY=VALUE...]");
  GError* error = nullptr;
  GstElement* parsed = gst_parse_launch_full(argv[at], nullptr, GST_PARSE_FLAG_FATAL_ERRORS, &error);
  if (error != nullptr) throw std::runtime_error(taken(error));
  const Object pipeline(gst_object_ref_sink(parsed));
  if (!GST_IS_PIPELINE(parsed)) throw std::runtime_error("expected a pipeline, found one element");
  for (int k = at + 1; k < argc; ++k) set(parsed, argv[k]);
  const int status = play(parsed);
  if (status == 0 && !printed.empty()) {
    const auto [element, spec] = find(parsed, printed);
    const Object owned(element);
    gchar* text = nullptr;
    if (G_IS_PARAM_SPEC_STRING(spec)) g_object_get(element, spec->name, &text, nullptr);
    const std::unique_ptr<gchar, decltype(&g_free)> text_owned(text, g_free);
    std::printf("%s\n", shown(text != nullptr ? text : "").c_str());
  }
  gst_element_set_state(parsed, GST_STATE_NULL);
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  gst_init(nullptr, nullptr);
  try {
    return launch(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "launch: %s\n", shown(error.what()).c_str());
    return 2;
  }
}
