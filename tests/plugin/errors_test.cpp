// SPDX-License-Identifier: MIT
// Bad input: exactly one message, of the right domain, that names the thing.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/plugin/support/source.h"

namespace dit::plugin_test {
namespace {

/// Starts an element that must fail to start; returns everything on its bus.
std::vector<Report> fail_to_start(const Properties& properties) {
  GstElement* element = make_element(properties);
  GstBus* bus = gst_bus_new();
  gst_element_set_bus(element, bus);
  EXPECT_EQ(gst_element_set_state(element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  auto reports = drain(bus);
  gst_element_set_state(element, GST_STATE_NULL);
  gst_element_set_bus(element, nullptr);
  gst_object_unref(bus);
  gst_object_unref(element);
  return reports;
}

void expect_one_error(const std::vector<Report>& reports, GQuark domain, int code,
                      const std::vector<std::string>& parts) {
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_EQ(reports[0].type, GST_MESSAGE_ERROR);
  EXPECT_STREQ(g_quark_to_string(reports[0].domain), g_quark_to_string(domain));
  EXPECT_EQ(reports[0].code, code) << reports[0].text;
  for (const std::string& part : parts) {
    EXPECT_NE(reports[0].text.find(part), std::string::npos) << "'" << part << "' not in: " << reports[0].text;
  }
}

/// A file in the build folder that goes with the test.
class TemporaryFile {
 public:
  TemporaryFile(const std::string& name, const std::string& bytes)
      : path_(std::filesystem::path(DIT_BUILD_DIR) / ("plugin-test-" + name)) {
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

std::string tiny_bytes() {
  std::ifstream file(tiny_model(), std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

TEST(DitSrcErrors, MissingModel) {
  expect_one_error(fail_to_start({{"model-location", "/nowhere/at-all.safetensors"}}), GST_RESOURCE_ERROR,
                   GST_RESOURCE_ERROR_NOT_FOUND, {"/nowhere/at-all.safetensors"});
}

TEST(DitSrcErrors, FolderForAModel) {
  const auto reports = fail_to_start({{"model-location", DIT_BUILD_DIR}});
  expect_one_error(reports, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ, {DIT_BUILD_DIR});
}

TEST(DitSrcErrors, EmptyModel) {
  const TemporaryFile file("empty", "");
  expect_one_error(fail_to_start({{"model-location", file.path()}}), GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE,
                   {file.path()});
}

TEST(DitSrcErrors, NoiseForAModel) {
  std::string noise(5000, '\0');
  std::uint32_t state = 1;
  for (char& byte : noise) byte = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  const TemporaryFile file("noise", noise);
  expect_one_error(fail_to_start({{"model-location", file.path()}}), GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE,
                   {file.path()});
}

TEST(DitSrcErrors, TruncatedModel) {
  const std::string whole = tiny_bytes();
  for (const std::size_t size :
       {whole.size() - 1, whole.size() / 2, std::size_t{2000}, std::size_t{9}, std::size_t{7}}) {
    SCOPED_TRACE(size);
    const TemporaryFile file("truncated", whole.substr(0, size));
    expect_one_error(fail_to_start({{"model-location", file.path()}}), GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE,
                     {file.path()});
  }
}

TEST(DitSrcErrors, ModelWithoutATensor) {
  std::string bytes = tiny_bytes();
  const std::size_t at = bytes.find("\"blocks.0.");
  ASSERT_NE(at, std::string::npos);
  bytes[at + 1] = 'x';
  const TemporaryFile file("renamed-tensor", bytes);
  expect_one_error(fail_to_start({{"model-location", file.path()}}), GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE,
                   {"blocks.0."});
}

TEST(DitSrcErrors, DeviceThatIsNoDevice) {
  expect_one_error(fail_to_start({{"device", "toaster"}}), GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                   {"toaster", "cpu"});
}

TEST(DitSrcErrors, DeviceThatIsNotThere) {
  expect_one_error(fail_to_start({{"device", "vulkan:no such thing"}}), GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_INIT,
                   {"ulkan"});
}

TEST(DitSrcErrors, PromptWithoutAKnownWord) {
  expect_one_error(fail_to_start({{"prompt", "foxx gren"}}), GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                   {"foxx", "fox", "gren", "green"});
}

TEST(DitSrcErrors, UnknownStyle) {
  expect_one_error(fail_to_start({{"style", "rond"}}), GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                   {"rond", "round"});
}

TEST(DitSrcErrors, TextThatIsNotUtf8) {
  GstElement* element = make_element({});
  GstBus* bus = gst_bus_new();
  gst_element_set_bus(element, bus);
  g_object_set(element, "style", "\xff\xfe\xc3", nullptr);
  EXPECT_EQ(gst_element_set_state(element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  expect_one_error(drain(bus), GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, {"\xef\xbf\xbd"});
  g_object_set(element, "style", nullptr, "model-location", "/nowhere/\xff\xfe", nullptr);
  EXPECT_EQ(gst_element_set_state(element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  const auto reports = drain(bus);
  expect_one_error(reports, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, {"/nowhere/"});
  EXPECT_TRUE(g_utf8_validate(reports.at(0).text.c_str(), -1, nullptr));
  gst_element_set_state(element, GST_STATE_NULL);
  gst_element_set_bus(element, nullptr);
  gst_object_unref(bus);
  gst_object_unref(element);
}

TEST(DitSrcErrors, PromptInAnotherScript) {
  expect_one_error(fail_to_start({{"prompt", "\xe7\x8b\x90"}, {"strict-words", "true"}}), GST_RESOURCE_ERROR,
                   GST_RESOURCE_ERROR_SETTINGS, {});
}

TEST(DitSrcErrors, UnknownWordIsOneWarningAPrompt) {
  Source source(Properties{{"prompt", "red foxx"}, {"num-buffers", "3"}});
  source.play();
  source.pull(3);
  ASSERT_TRUE(source.ends());
  const auto reports = drain(source.bus());
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_EQ(reports[0].type, GST_MESSAGE_WARNING);
  EXPECT_EQ(reports[0].domain, GST_RESOURCE_ERROR);
  EXPECT_EQ(reports[0].code, GST_RESOURCE_ERROR_SETTINGS);
  EXPECT_NE(reports[0].text.find("foxx"), std::string::npos) << reports[0].text;
  EXPECT_NE(reports[0].text.find("fox"), std::string::npos) << reports[0].text;
}

/// Plays, sets a property in the streaming thread at frame 1, and returns what is on the bus when the stream has ended.
std::vector<Report> change_while_playing(const char* property, const char* value, std::size_t* frames) {
  struct Change {
    const char* property;
    const char* value;
  } change = {property, value};
  Source source(Properties{{"prompt", "red fox"}, {"num-buffers", "6"}});
  GstPad* pad = gst_element_get_static_pad(source.element(), "src");
  gst_pad_add_probe(
      pad, GST_PAD_PROBE_TYPE_BUFFER,
      [](GstPad* probed, GstPadProbeInfo* info, gpointer data) {
        if (GST_BUFFER_OFFSET(GST_PAD_PROBE_INFO_BUFFER(info)) == 1) {
          const auto* what = static_cast<Change*>(data);
          g_object_set(GST_OBJECT_PARENT(probed), what->property, what->value, nullptr);
        }
        return GST_PAD_PROBE_OK;
      },
      &change, nullptr);
  gst_object_unref(pad);
  source.play();
  std::vector<Report> reports;
  source.pull(2);
  const gint64 deadline = g_get_monotonic_time() + 20 * G_TIME_SPAN_SECOND;
  while (g_get_monotonic_time() < deadline) {
    GstEvent* event = gst_harness_try_pull_event(source.harness());
    const bool eos = event != nullptr && GST_EVENT_TYPE(event) == GST_EVENT_EOS;
    if (event != nullptr) gst_event_unref(event);
    if (eos) break;
    g_usleep(1000);
  }
  *frames = 2 + gst_harness_buffers_in_queue(source.harness());
  return drain(source.bus());
}

TEST(DitSrcErrors, BadPromptWhilePlayingIsOneErrorAndEos) {
  std::size_t frames = 0;
  const auto reports = change_while_playing("prompt", "zzz", &frames);
  EXPECT_EQ(frames, 2U);
  expect_one_error(reports, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, {"zzz"});
}

TEST(DitSrcErrors, NewUnknownWordWhilePlayingIsOneWarning) {
  std::size_t frames = 0;
  const auto reports = change_while_playing("prompt", "blue carr", &frames);
  EXPECT_EQ(frames, 6U);
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_EQ(reports[0].type, GST_MESSAGE_WARNING);
}

TEST(DitSrcErrors, AFailedStartCanBeMadeGood) {
  GstElement* element = make_element({{"style", "nonsense"}});
  GstBus* bus = gst_bus_new();
  gst_element_set_bus(element, bus);
  for (int round = 0; round < 3; ++round) {
    set(element, {{"style", "nonsense"}});
    EXPECT_EQ(gst_element_set_state(element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
    EXPECT_EQ(drain(bus).size(), 1U) << "each failure is told once";
    set(element, {{"style", "round"}});
    EXPECT_NE(gst_element_set_state(element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
    EXPECT_EQ(gst_element_set_state(element, GST_STATE_READY), GST_STATE_CHANGE_SUCCESS);
    drain(bus);
  }
  gst_element_set_state(element, GST_STATE_NULL);
  gst_element_set_bus(element, nullptr);
  gst_object_unref(bus);
  gst_object_unref(element);
}

}  // namespace
}  // namespace dit::plugin_test
