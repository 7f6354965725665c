// SPDX-License-Identifier: MIT
// gst-launch for scripts that are given text by others: there, text in a pipeline's arguments is parsed again and may
// become elements of it. Here DESCRIPTION is the script's own, and whatever text a property gets is set as it is.
// A filesink's file appears when it is whole; decodebin reads pictures and nothing else.
//   build/launch [--print NAME.PROPERTY] DESCRIPTION [NAME.PROPERTY=VALUE...]    NAME: of an element in DESCRIPTION
#include <glib-unix.h>
#include <gst/gst.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "engine/error.h"
#include "engine/files/new_file.h"

namespace {

/// Exit statuses above it are signals, as a shell has them.
constexpr int interrupted = 128;
/// How long a pipeline that was interrupted has to end.
constexpr guint patience_s = 3;

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

/// Calls `body` with each element of that kind, wherever it is in the pipeline.
void for_each(GstElement* pipeline, const char* factory, const std::function<void(GstElement*)>& body) {
  GstIterator* iterator = gst_bin_iterate_all_by_element_factory_name(GST_BIN(pipeline), factory);
  GValue item = G_VALUE_INIT;
  while (gst_iterator_next(iterator, &item) == GST_ITERATOR_OK) {
    body(GST_ELEMENT(g_value_get_object(&item)));
    g_value_unset(&item);
  }
  gst_iterator_free(iterator);
}

/// A file that a filesink writes. It gets its name when it is whole, and what had that name before lives until then.
struct Output {
  std::string path, staged;
  std::unique_ptr<dit::NewFile> file;
};

/// Pipes and devices are written by filesink itself: opening a pipe waits for its reader. Throws dit::Error.
std::vector<Output> stage_outputs(GstElement* pipeline) {
  std::vector<Output> outputs;
  for_each(pipeline, "filesink", [&](GstElement* sink) {
    gchar* location = nullptr;
    g_object_get(sink, "location", &location, nullptr);
    const std::unique_ptr<gchar, decltype(&g_free)> owned(location, g_free);
    struct stat status = {};
    if (location == nullptr) return;
    if (stat(location, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) return;
    auto file = std::make_unique<dit::NewFile>(location);
    const std::string staged = "/proc/self/fd/" + std::to_string(fileno(file->stream()));
    g_object_set(sink, "location", staged.c_str(), nullptr);
    outputs.push_back({location, staged, std::move(file)});
  });
  return outputs;
}

/// The pipeline's data of this name: what was found where a picture was expected.
constexpr const char* no_picture = "no-picture";

/// A file's first bytes alone choose what decodebin does with it, and a playlist or a film may name other files and
/// addresses, which it would open. So it decodes pictures of pixels.
int select_decoder(GstElement*, GstPad*, GstCaps* caps, GstElementFactory* factory, gpointer pipeline) {
  constexpr int try_it = 0, skip = 2;  // GstAutoplugSelectResult, which no header declares
  const std::string_view name = gst_structure_get_name(gst_caps_get_structure(caps, 0));
  const bool picture = name.starts_with("image/") && !name.ends_with("+xml");
  if (picture && !gst_element_factory_list_is_type(factory, GST_ELEMENT_FACTORY_TYPE_DEMUXER)) return try_it;
  g_object_set_data_full(G_OBJECT(pipeline), no_picture, g_strdup(std::string(name).c_str()), g_free);
  return skip;
}

struct Run {
  ~Run() { g_main_loop_unref(loop); }
  GstElement* pipeline = nullptr;
  std::vector<Output> outputs;
  GMainLoop* loop = g_main_loop_new(nullptr, FALSE);
  int status = 0;
  std::mutex changing;
  bool stopped = false;  ///< under `changing`
  bool ended = false;
};

template <int number>
gboolean interrupt(gpointer run) {
  static_cast<Run*>(run)->status = interrupted + number;
  g_main_loop_quit(static_cast<Run*>(run)->loop);
  return G_SOURCE_CONTINUE;
}

gboolean handle(GstBus*, GstMessage* message, gpointer data) {
  auto* run = static_cast<Run*>(data);
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_LATENCY) gst_bin_recalculate_latency(GST_BIN(run->pipeline));
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS) g_main_loop_quit(run->loop);
  if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_ERROR || run->status != 0) return G_SOURCE_CONTINUE;
  GError* error = nullptr;
  gst_message_parse_error(message, &error, nullptr);
  std::string text = taken(error);
  for (const Output& output : run->outputs) {
    const std::size_t at = text.find('"' + output.staged + '"');
    if (at != std::string::npos) text.replace(at + 1, output.staged.size(), output.path);
  }
  if (const auto* found = static_cast<const char*>(g_object_get_data(G_OBJECT(run->pipeline), no_picture))) {
    text = std::string("expected a picture, found ") + found;
  }
  const std::unique_ptr<gchar, decltype(&g_free)> path(gst_object_get_path_string(message->src), g_free);
  std::fprintf(stderr, "ERROR: from element %s: %s\n", shown(path.get()).c_str(), shown(text).c_str());
  run->status = 1;
  g_main_loop_quit(run->loop);
  return G_SOURCE_CONTINUE;
}

/// In a thread of GStreamer's: an element may wait for another program (a pipe's) for as long as it likes, and signals
/// are served meanwhile. Such threads may run in any order.
void change_state(const std::shared_ptr<Run>& run, GstState state) {
  using Change = std::pair<std::shared_ptr<Run>, GstState>;
  gst_element_call_async(
      run->pipeline,
      [](GstElement* pipeline, gpointer data) {
        const auto& [self, wanted] = *static_cast<Change*>(data);
        const std::lock_guard lock(self->changing);
        if (!self->stopped) gst_element_set_state(pipeline, wanted);  // if it fails, the bus says why
        if (wanted != GST_STATE_NULL) return;
        self->stopped = true;
        g_idle_add(
            [](gpointer ended) {
              static_cast<Run*>(ended)->ended = true;
              g_main_loop_quit(static_cast<Run*>(ended)->loop);
              return gboolean{G_SOURCE_REMOVE};
            },
            self.get());
      },
      new Change(run, state), [](gpointer data) { delete static_cast<Change*>(data); });
}

/// Returns whether the pipeline has ended; otherwise an element waits for ever.
bool stop(const std::shared_ptr<Run>& run) {
  change_state(run, GST_STATE_NULL);
  for (;;) {
    const int before = run->status;
    if (before > interrupted) {
      const auto quit = [](gpointer loop) {
        g_main_loop_quit(static_cast<GMainLoop*>(loop));
        return gboolean{G_SOURCE_REMOVE};
      };
      g_timeout_add_seconds(patience_s, quit, run->loop);
    }
    g_main_loop_run(run->loop);
    // A second signal changes nothing either.
    if (run->ended || run->status == before) return run->ended;
  }
}

std::string read_property(GstElement* pipeline, const std::string& path) {
  const auto [element, spec] = find(pipeline, path);
  const Object owned(element);
  gchar* text = nullptr;
  if (G_IS_PARAM_SPEC_STRING(spec)) g_object_get(element, spec->name, &text, nullptr);
  const std::unique_ptr<gchar, decltype(&g_free)> text_owned(text, g_free);
  return shown(text != nullptr ? text : "") + "\n";
}

void print(const std::string& text) {
  if (std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0) {
    dit::fail(dit::ErrorKind::unreadable, "cannot write to standard output: {}", std::strerror(errno));
  }
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
  for_each(parsed, "decodebin", [&](GstElement* decoder) {
    g_signal_connect(decoder, "autoplug-select", G_CALLBACK(select_decoder), parsed);
  });
  const auto run = std::make_shared<Run>();
  run->pipeline = parsed;
  run->outputs = stage_outputs(parsed);
  const Object bus(gst_element_get_bus(parsed));
  gst_bus_add_watch(GST_BUS(bus.pointer), handle, run.get());
  g_unix_signal_add(SIGINT, interrupt<SIGINT>, run.get());
  g_unix_signal_add(SIGTERM, interrupt<SIGTERM>, run.get());
  const bool stays = std::signal(SIGHUP, SIG_IGN) == SIG_IGN;  // nohup
  if (!stays) g_unix_signal_add(SIGHUP, interrupt<SIGHUP>, run.get());
  change_state(run, GST_STATE_PLAYING);
  g_main_loop_run(run->loop);
  const std::string last = printed.empty() || run->status != 0 ? "" : read_property(parsed, printed);
  if (!stop(run)) {
    dit::remove_unfinished();
    _exit(run->status);
  }
  gst_bus_remove_watch(GST_BUS(bus.pointer));
  if (run->status != 0) return run->status;
  for (const Output& output : run->outputs) output.file->finish();
  print(last);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  gst_init(nullptr, nullptr);
  try {
    return launch(argc, argv);
  } catch (const dit::Error& error) {
    std::fprintf(stderr, "launch: %s\n", error.what());
    return 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "launch: %s\n", shown(error.what()).c_str());
    return 2;
  }
}
