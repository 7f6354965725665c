// SPDX-License-Identifier: MIT
#include "plugin/source/uri.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "engine/session/session.h"

namespace dit::plugin {
namespace {

/// Properties that a URI may set. A file to open is not among them: a link must not choose that.
constexpr std::array keys = {"style",       "seed",      "seed-name",   "steps",       "min-steps", "sampler",
                             "guidance",    "emit",      "hold",        "background",  "is-live",   "batch-size",
                             "late-policy", "device",    "num-buffers", "walk",        "walk-loop", "walk-prompts",
                             "pipelined",   "precision", "fusion",      "strict-words"};

constexpr std::size_t most_text = 1000;

using Text = std::unique_ptr<gchar, decltype(&g_free)>;

/// A key's value, ready to be set.
struct Entry {
  GParamSpec* spec;
  GValue value = G_VALUE_INIT;
  explicit Entry(GParamSpec* s) : spec(s) { g_value_init(&value, s->value_type); }
  ~Entry() { g_value_unset(&value); }
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;
};

bool fail(GError** error, GstURIError code, const std::string& text) {
  // A link may hold anything, and its error goes to a terminal.
  g_set_error_literal(error, GST_URI_ERROR, code, printable(text, most_text).c_str());
  return false;
}

/// Percent escapes undone; nothing for a broken escape, an escaped NUL or bytes that are not UTF-8.
std::optional<std::string> unescape(std::string_view text) {
  const Text plain(g_uri_unescape_segment(text.data(), text.data() + text.size(), nullptr), g_free);
  if (!plain || !g_utf8_validate(plain.get(), -1, nullptr)) return std::nullopt;
  return plain.get();
}

std::string known_keys() {
  std::string list;
  for (const char* key : keys) list += (list.empty() ? "" : ", ") + std::string(key);
  return list;
}

/// The whole text as a number; whether it is one. "0x" as of colours.
template <typename Number>
bool read_number(std::string_view text, Number& value) {
  int base = 10;
  if (text.starts_with("0x")) {
    base = 16;
    text.remove_prefix(2);
    if (text.starts_with('-')) return false;
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc() && end == text.data() + text.size();
}

bool read_real(std::string_view text, double& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && std::isfinite(value);
}

/// "4" -> the value, if the whole text is one and in range. GStreamer's own reading takes -1 for the largest number,
/// nothing for 0 and "max" for one that it means.
bool read(const std::string& text, Entry& entry) {
  const GType type = entry.spec->value_type;
  if (type == G_TYPE_STRING) {
    g_value_set_string(&entry.value, text.c_str());
    return true;
  }
  if (type == G_TYPE_UINT64 || type == G_TYPE_UINT) {
    guint64 number = 0;
    if (!read_number(text, number) || (type == G_TYPE_UINT && number > G_MAXUINT)) return false;
    type == G_TYPE_UINT ? g_value_set_uint(&entry.value, static_cast<guint>(number))
                        : g_value_set_uint64(&entry.value, number);
  } else if (type == G_TYPE_INT) {
    gint number = 0;
    if (!read_number(text, number)) return false;
    g_value_set_int(&entry.value, number);
  } else if (type == G_TYPE_DOUBLE) {
    gdouble number = 0;
    if (!read_real(text, number)) return false;
    g_value_set_double(&entry.value, number);
  } else if (text.empty() || !gst_value_deserialize(&entry.value, text.c_str())) {
    return false;
  }
  // validate() moves a value into the range and says whether it had to.
  return !g_param_value_validate(entry.spec, &entry.value);
}

const Entry* find(const std::vector<std::unique_ptr<Entry>>& entries, std::string_view key) {
  const auto found = std::find_if(entries.begin(), entries.end(), [&](const auto& e) { return e->spec->name == key; });
  return found == entries.end() ? nullptr : found->get();
}

bool read_query(GObject* object, std::string_view query, std::vector<std::unique_ptr<Entry>>& entries, GError** error) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    const std::string key(pair.substr(0, pair.find('=')));
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      return fail(error, GST_URI_ERROR_BAD_REFERENCE, "unknown key '" + key + "': expected one of " + known_keys());
    }
    if (key.size() == pair.size()) {
      return fail(error, GST_URI_ERROR_BAD_REFERENCE, "key '" + key + "': expected =value");
    }
    const std::string_view raw = pair.substr(key.size() + 1);
    const auto value = unescape(raw);
    if (!value)
      return fail(error, GST_URI_ERROR_BAD_URI, "key '" + key + "': broken escape in '" + std::string(raw) + "'");
    if (find(entries, key) != nullptr)
      return fail(error, GST_URI_ERROR_BAD_REFERENCE, "key '" + key + "': expected once, found twice");
    entries.push_back(std::make_unique<Entry>(g_object_class_find_property(G_OBJECT_GET_CLASS(object), key.c_str())));
    if (!read(*value, *entries.back())) {
      const Text type(g_strdup(g_type_name(entries.back()->spec->value_type)), g_free);
      return fail(error, GST_URI_ERROR_BAD_REFERENCE,
                  "key '" + key + "': expected a " + type.get() + " in its range, found '" + *value + "'");
    }
  }
  if (find(entries, "seed") != nullptr && find(entries, "seed-name") != nullptr) {
    return fail(error, GST_URI_ERROR_BAD_REFERENCE,
                "keys 'seed' and 'seed-name': expected one of them, as a name owns a seed");
  }
  return true;
}

}  // namespace

gchar* uri_of(GObject* object) {
  gchar* prompt = nullptr;
  g_object_get(object, "prompt", &prompt, nullptr);
  const Text owned(prompt, g_free);
  const Text escaped(g_uri_escape_string(prompt != nullptr ? prompt : "", nullptr, FALSE), g_free);
  std::string uri = std::string(uri_scheme) + "://" + escaped.get();
  char separator = '?';
  // A name owns the seed, so one of them says it all.
  gchar* name = nullptr;
  g_object_get(object, "seed-name", &name, nullptr);
  const Text seed_name(name, g_free);
  for (const char* key : keys) {
    if (name != nullptr && std::string_view(key) == "seed") continue;
    Entry entry(g_object_class_find_property(G_OBJECT_GET_CLASS(object), key));
    g_object_get_property(object, key, &entry.value);
    if (g_param_value_defaults(entry.spec, &entry.value)) continue;
    Text text(nullptr, g_free);
    if (G_IS_PARAM_SPEC_STRING(entry.spec)) {
      const gchar* value = g_value_get_string(&entry.value);
      text.reset(g_strdup(value != nullptr ? value : ""));
    } else if (G_IS_PARAM_SPEC_ENUM(entry.spec)) {
      text.reset(g_strdup(
          g_enum_get_value(G_ENUM_CLASS(g_type_class_peek(entry.spec->value_type)), g_value_get_enum(&entry.value))
              ->value_nick));
    } else {
      text.reset(gst_value_serialize(&entry.value));
    }
    const Text value(g_uri_escape_string(text.get(), nullptr, FALSE), g_free);
    uri += separator + std::string(key) + '=' + value.get();
    separator = '&';
  }
  return g_strdup(uri.c_str());
}

gboolean set_uri(GstElement* element, const gchar* uri, GError** error) {
  const std::string_view text = uri;
  const std::string prefix = std::string(uri_scheme) + "://";
  // RFC 3986, 3.1: a scheme is the same in either case, and GStreamer looks for who takes it in lower case.
  if (g_ascii_strncasecmp(uri, prefix.c_str(), prefix.size()) != 0) {
    return fail(error, GST_URI_ERROR_UNSUPPORTED_PROTOCOL,
                "expected " + prefix + "…, found '" + std::string(text) + "'");
  }
  GstState state = GST_STATE_NULL;
  {
    GST_OBJECT_LOCK(element);
    state = GST_STATE(element);
    GST_OBJECT_UNLOCK(element);
  }
  if (state > GST_STATE_READY) {
    return fail(error, GST_URI_ERROR_BAD_STATE, "the URI can only be set in NULL or READY");
  }
  const std::string_view rest = text.substr(prefix.size());
  const std::string_view path = rest.substr(0, rest.find('?'));
  const auto prompt = unescape(path);
  if (!prompt) return fail(error, GST_URI_ERROR_BAD_URI, "broken escape in '" + std::string(path) + "'");
  std::vector<std::unique_ptr<Entry>> entries;
  const std::string_view query = path.size() < rest.size() ? rest.substr(path.size() + 1) : std::string_view();
  if (!read_query(G_OBJECT(element), query, entries, error)) return FALSE;
  // A URI says all: what one before it said of other keys is no part of it.
  for (const char* key : keys) {
    if (find(entries, key) != nullptr) continue;
    Entry old(g_object_class_find_property(G_OBJECT_GET_CLASS(element), key));
    g_object_get_property(G_OBJECT(element), key, &old.value);
    if (g_param_value_defaults(old.spec, &old.value)) continue;
    g_param_value_set_default(old.spec, &old.value);
    g_object_set_property(G_OBJECT(element), key, &old.value);
  }
  g_object_set(element, "prompt", prompt->empty() ? nullptr : prompt->c_str(), nullptr);
  for (const auto& entry : entries) g_object_set_property(G_OBJECT(element), entry->spec->name, &entry->value);
  return TRUE;
}

}  // namespace dit::plugin
