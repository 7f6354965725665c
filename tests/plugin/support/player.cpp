// SPDX-License-Identifier: MIT
#include "tests/plugin/support/player.h"

#include <gtest/gtest.h>

#include <utility>

namespace dit::plugin_test {
namespace {

void reach(GstElement* pipeline, GstState state) {
  ASSERT_NE(gst_element_set_state(pipeline, state), GST_STATE_CHANGE_FAILURE);
  EXPECT_NE(gst_element_get_state(pipeline, nullptr, nullptr, 20 * GST_SECOND), GST_STATE_CHANGE_FAILURE);
}

}  // namespace

Player::Player(const Properties& properties, const std::string& caps, bool sync)
    : pipeline_((init_gstreamer(), gst_pipeline_new(nullptr))),
      source_(make_element(properties)),
      filter_(gst_element_factory_make("capsfilter", nullptr)),
      sink_(gst_element_factory_make("fakesink", nullptr)) {
  set(filter_, {{"caps", caps}});
  set(sink_, {{"sync", sync ? "true" : "false"}, {"qos", sync ? "true" : "false"}, {"signal-handoffs", "true"}});
  g_signal_connect(sink_, "handoff", G_CALLBACK(+[](GstElement*, GstBuffer* buffer, GstPad*, gpointer player) {
                     static_cast<Player*>(player)->arrived(buffer);
                   }),
                   this);
  gst_bin_add_many(GST_BIN(pipeline_), source_, filter_, sink_, nullptr);
  EXPECT_TRUE(gst_element_link_many(source_, filter_, sink_, nullptr));
}

Player::~Player() {
  EXPECT_EQ(gst_element_set_state(pipeline_, GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
  gst_object_unref(pipeline_);
}

void Player::arrived(GstBuffer* buffer) {
  GstPad* pad = gst_element_get_static_pad(sink_, "sink");
  Frame frame = frame_of(buffer, pad);
  gst_object_unref(pad);
  const std::lock_guard lock(mutex_);
  frames_.push_back(std::move(frame));
}

std::vector<Frame> Player::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(frames_, {});
}

void Player::pause() { reach(pipeline_, GST_STATE_PAUSED); }
void Player::play() { reach(pipeline_, GST_STATE_PLAYING); }

bool Player::seek(double rate, GstFormat format, GstSeekFlags flags, gint64 start, gint64 stop) {
  if ((flags & GST_SEEK_FLAG_FLUSH) == 0) take();
  // The sink's frames before the flush are not those of this seek.
  GstPad* pad = gst_element_get_static_pad(sink_, "sink");
  const gulong probe = gst_pad_add_probe(
      pad, static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM | GST_PAD_PROBE_TYPE_EVENT_FLUSH),
      [](GstPad*, GstPadProbeInfo* info, gpointer player) {
        if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_FLUSH_STOP) {
          static_cast<Player*>(player)->take();
        }
        return GST_PAD_PROBE_OK;
      },
      this, nullptr);
  while (GstMessage* old = gst_bus_pop_filtered(GST_ELEMENT_BUS(pipeline_), GST_MESSAGE_EOS)) gst_message_unref(old);
  const gboolean done = gst_element_seek(pipeline_, rate, format, flags, GST_SEEK_TYPE_SET, start,
                                         stop < 0 && rate > 0 ? GST_SEEK_TYPE_NONE : GST_SEEK_TYPE_SET, stop);
  gst_pad_remove_probe(pad, probe);
  gst_object_unref(pad);
  return done != FALSE;
}

GstMessage* Player::await(GstMessageType type) {
  GstMessage* message = gst_bus_timed_pop_filtered(GST_ELEMENT_BUS(pipeline_), 20 * GST_SECOND,
                                                   static_cast<GstMessageType>(type | GST_MESSAGE_ERROR));
  if (message == nullptr) {
    ADD_FAILURE() << "no " << gst_message_type_get_name(type) << " in 20 s";
  } else if (GST_MESSAGE_TYPE(message) != type) {
    GError* error = nullptr;
    gst_message_parse_error(message, &error, nullptr);
    ADD_FAILURE() << error->message;
    g_error_free(error);
    gst_message_unref(message);
    return nullptr;
  }
  return message;
}

std::vector<Frame> Player::until_end() {
  if (GstMessage* message = await(GST_MESSAGE_EOS)) gst_message_unref(message);
  return take();
}

std::vector<Frame> Player::until_segment_done(gint64 position) {
  GstMessage* message = await(GST_MESSAGE_SEGMENT_DONE);
  if (message == nullptr) return {};
  GstFormat format = GST_FORMAT_UNDEFINED;
  gint64 found = -1;
  gst_message_parse_segment_done(message, &format, &found);
  gst_message_unref(message);
  EXPECT_EQ(format, GST_FORMAT_TIME);
  EXPECT_EQ(found, position);
  return take();
}

Frame Player::prerolled() {
  EXPECT_EQ(gst_element_get_state(pipeline_, nullptr, nullptr, 20 * GST_SECOND), GST_STATE_CHANGE_SUCCESS);
  GstSample* sample = nullptr;
  g_object_get(sink_, "last-sample", &sample, nullptr);
  if (sample == nullptr) {
    ADD_FAILURE() << "nothing prerolled";
    return {};
  }
  GstPad* pad = gst_element_get_static_pad(sink_, "sink");
  Frame frame = frame_of(gst_sample_get_buffer(sample), pad);
  gst_object_unref(pad);
  gst_sample_unref(sample);
  return frame;
}

std::vector<Report> Player::errors(std::vector<std::string>* structures) {
  return drain(GST_ELEMENT_BUS(pipeline_), structures);
}

}  // namespace dit::plugin_test
