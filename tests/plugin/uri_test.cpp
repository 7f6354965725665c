// SPDX-License-Identifier: MIT
// dit:// URIs, alone and in playbin and uridecodebin.
#include <gtest/gtest.h>

#include "tests/plugin/support/player.h"

namespace dit::plugin_test {
namespace {

std::string uri_of(GstElement* element) {
  gchar* uri = gst_uri_handler_get_uri(GST_URI_HANDLER(element));
  std::string text = uri;
  g_free(uri);
  return text;
}

/// The error's code, or -1 if the URI was taken. `text` receives the message.
int refusal(GstElement* element, const std::string& uri, std::string* text = nullptr) {
  GError* error = nullptr;
  if (gst_uri_handler_set_uri(GST_URI_HANDLER(element), uri.c_str(), &error)) return -1;
  EXPECT_EQ(error->domain, GST_URI_ERROR);
  const int code = error->code;
  if (text != nullptr) *text = error->message;
  g_error_free(error);
  return code;
}

TEST(DitSrcUri, SetsPromptAndSettingsAndReadsBack) {
  GstElement* element = make_element({});
  const std::string uri = "dit://red%20fox?style=flat&seed=4&steps=8&guidance=2.5&emit=steps&background=4278190080";
  EXPECT_EQ(refusal(element, uri), -1);
  gchar* prompt = nullptr;
  guint64 seed = 0;
  guint steps = 0;
  gint emit = 0;
  g_object_get(element, "prompt", &prompt, "seed", &seed, "steps", &steps, "emit", &emit, nullptr);
  EXPECT_STREQ(prompt, "red fox");
  EXPECT_EQ(seed, 4U);
  EXPECT_EQ(steps, 8U);
  EXPECT_EQ(emit, 1);
  g_free(prompt);
  // What it reads back sets another element to the same.
  GstElement* other = make_element({});
  set(other, {{"device", "auto"}});
  set(element, {{"device", "auto"}});
  EXPECT_EQ(refusal(other, uri_of(element)), -1);
  EXPECT_EQ(uri_of(other), uri_of(element));
  EXPECT_EQ(uri_of(other), "dit://red%20fox?style=flat&seed=4&steps=8&guidance=2.5&emit=steps&background=4278190080");
  gst_object_unref(other);
  gst_object_unref(element);
}

TEST(DitSrcUri, SchemesAreTheSameInEitherCase) {
  init_gstreamer();
  for (const char* uri : {"DIT://Red%20fox?seed=4", "Dit://Red%20fox?seed=4"}) {
    GError* error = nullptr;
    GstElement* element = gst_element_make_from_uri(GST_URI_SRC, uri, nullptr, &error);
    ASSERT_NE(element, nullptr) << error->message;
    gst_object_ref_sink(element);
    EXPECT_EQ(uri_of(element), "dit://Red%20fox?seed=4") << "the prompt's case is the user's";
    EXPECT_EQ(refusal(element, "DITS://fox"), GST_URI_ERROR_UNSUPPORTED_PROTOCOL);
    gst_object_unref(element);
  }
}

TEST(DitSrcUri, RefusesWhatItDoesNotKnowAndChangesNothing) {
  GstElement* element = make_element({{"prompt", "green tree"}, {"seed", "9"}});
  const std::string before = uri_of(element);
  std::string text;
  EXPECT_EQ(refusal(element, "dit://fox?sed=4", &text), GST_URI_ERROR_BAD_REFERENCE);
  EXPECT_NE(text.find("'sed'"), std::string::npos) << text;
  EXPECT_NE(text.find("seed"), std::string::npos) << text;
  for (const std::string uri : {"dit://fox?seed=-1",
                                "dit://fox?seed=four",
                                "dit://fox?seed=",
                                "dit://fox?seed",
                                "dit://fox?steps=1001",
                                "dit://fox?guidance=nan",
                                "dit://fox?guidance=101",
                                "dit://fox?emit=everything",
                                "dit://fox?sampler=magic",
                                "dit://fox?hold=0",
                                "dit://fox?seed=4&steps=8x",
                                "dit://fox?model-location=/etc/passwd",
                                "dit://fox?=3",
                                "dit://fox?seed=18446744073709551616",
                                "dit://fox?seed=3&&steps=2",
                                "dit://fox?steps=4294967304",
                                "dit://fox?steps=max",
                                "dit://fox?steps=1.5",
                                "dit://fox?steps=+8",
                                "dit://fox?steps=%208",
                                "dit://fox?seed=0x",
                                "dit://fox?guidance=inf",
                                "dit://fox?guidance=1,5",
                                "dit://fox?guidance=2x",
                                "dit://fox?guidance=0x1p3",
                                "dit://fox?num-buffers=4294967297",
                                "dit://fox?num-buffers=1e3",
                                "dit://fox?num-buffers=0x-1",
                                "dit://fox?background=0x1ffffffff"}) {
    EXPECT_EQ(refusal(element, uri, &text), GST_URI_ERROR_BAD_REFERENCE) << uri;
  }
  for (const std::string uri : {"dit://fo%2", "dit://%ff", "dit://a%00b", "dit://fox?style=%zz"}) {
    EXPECT_EQ(refusal(element, uri, &text), GST_URI_ERROR_BAD_URI) << uri;
  }
  EXPECT_EQ(refusal(element, "dit://fox?a%1b]0;\x1b[2J\n=4", &text), GST_URI_ERROR_BAD_REFERENCE);
  EXPECT_NE(text.find("\\x1b[2J\\n"), std::string::npos) << text;
  EXPECT_EQ(text.find('\x1b'), std::string::npos) << "an error drives no terminal";
  EXPECT_EQ(uri_of(element), before) << "a refused URI sets nothing";
  EXPECT_NE(gst_element_set_state(element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  EXPECT_EQ(refusal(element, "dit://fox"), GST_URI_ERROR_BAD_STATE);
  gst_element_set_state(element, GST_STATE_NULL);
  EXPECT_EQ(refusal(element, "dit://"), -1);
  gst_object_unref(element);
}

TEST(DitSrcUri, SaysAllThereIs) {
  GstElement* element = make_element({});
  EXPECT_EQ(refusal(element, "dit://cat?seed-name=bob&steps=3&emit=steps&guidance=2&num-buffers=4"), -1);
  EXPECT_EQ(refusal(element, "dit://dog?seed=4"), -1);
  EXPECT_EQ(uri_of(element), "dit://dog?seed=4") << "nothing of the one before";
  EXPECT_EQ(refusal(element, "dit://dog?seed-name=bob"), -1);
  EXPECT_EQ(uri_of(element), "dit://dog?seed-name=bob");
  std::string text;
  for (const std::string uri : {"dit://fox?seed=3&seed-name=bob", "dit://fox?seed-name=bob&steps=2&seed=3"}) {
    EXPECT_EQ(refusal(element, uri, &text), GST_URI_ERROR_BAD_REFERENCE) << uri;
    EXPECT_NE(text.find("'seed-name'"), std::string::npos) << text;
  }
  EXPECT_EQ(refusal(element, "dit://fox?steps=2&steps=3", &text), GST_URI_ERROR_BAD_REFERENCE);
  EXPECT_NE(text.find("'steps': expected once"), std::string::npos) << text;
  EXPECT_EQ(uri_of(element), "dit://dog?seed-name=bob") << "a refused URI sets nothing";
  gst_object_unref(element);
}

/// Plays a bin that was given a URI; returns the first buffer's meta as text.
std::string first_icon(GstElement* pipeline, GstElement* sink) {
  struct Found {
    std::mutex mutex;
    std::string text;
  } found;
  set(sink, {{"signal-handoffs", "true"}});
  g_signal_connect(sink, "handoff", G_CALLBACK(+[](GstElement*, GstBuffer* buffer, GstPad*, gpointer data) {
                     auto* f = static_cast<Found*>(data);
                     GstCustomMeta* meta = gst_buffer_get_custom_meta(buffer, "GstDitMeta");
                     const std::lock_guard lock(f->mutex);
                     if (meta == nullptr || !f->text.empty()) return;
                     gchar* text = gst_structure_to_string(gst_custom_meta_get_structure(meta));
                     f->text = text;
                     g_free(text);
                   }),
                   &found);
  EXPECT_NE(gst_element_set_state(pipeline, GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
  GstMessage* message = gst_bus_timed_pop_filtered(GST_ELEMENT_BUS(pipeline), 20 * GST_SECOND,
                                                   static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  if (message == nullptr || GST_MESSAGE_TYPE(message) != GST_MESSAGE_EOS) ADD_FAILURE() << "no end of the stream";
  if (message != nullptr) gst_message_unref(message);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  return found.text;
}

const char* const link = "dit://red%20fox?seed=4&steps=5&num-buffers=3&device=cpu";

void expect_link(const std::string& meta) {
  for (const std::string part : {"seed=(guint64)4", "steps=(uint)5", "prompt=(string)\"red\\ fox\""}) {
    EXPECT_NE(meta.find(part), std::string::npos) << part << " not in " << meta;
  }
}

TEST(DitSrcUri, PlaysInPlaybin) {
  init_gstreamer();
  g_setenv("DIT_MODEL", tiny_model().c_str(), TRUE);
  GstElement* playbin = gst_element_factory_make("playbin", nullptr);
  ASSERT_NE(playbin, nullptr);
  GstElement* sink = gst_element_factory_make("fakesink", nullptr);
  g_object_set(playbin, "uri", link, "video-sink", sink, nullptr);
  expect_link(first_icon(playbin, sink));
  gst_object_unref(playbin);
  g_unsetenv("DIT_MODEL");
}

TEST(DitSrcUri, PlaysInUridecodebin) {
  init_gstreamer();
  g_setenv("DIT_MODEL", tiny_model().c_str(), TRUE);
  const std::string line = std::string("uridecodebin uri=") + link + " ! fakesink name=sink";
  GError* error = nullptr;
  GstElement* pipeline = gst_parse_launch(line.c_str(), &error);
  ASSERT_EQ(error, nullptr) << error->message;
  GstElement* sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
  expect_link(first_icon(pipeline, sink));
  gst_object_unref(sink);
  gst_object_unref(pipeline);
  g_unsetenv("DIT_MODEL");
}

}  // namespace
}  // namespace dit::plugin_test
