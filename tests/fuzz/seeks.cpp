// SPDX-License-Identifier: MIT
// libFuzzer's entry for seeks: a way through a stream on ditsrc and videotestsrc side by side, see seek_walk.h.
#include <gst/gst.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/plugin/support/seek_walk.h"

namespace {

GstElement* make_ditsrc() {
  GstElement* element = gst_element_factory_make("ditsrc", nullptr);
  if (element == nullptr) std::abort();
  g_object_set(element, "model-location", DIT_SOURCE_DIR "/tests/golden/tiny.safetensors", "steps", 1, "threads", 1,
               nullptr);
  gst_util_set_object_arg(G_OBJECT(element), "device", "cpu");
  return element;
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  setenv("GST_REGISTRY", DIT_BUILD_DIR "/fuzz-registry.bin", 1);
  setenv("GST_PLUGIN_PATH", DIT_BUILD_DIR "/plugin", 1);
  setenv("GST_REGISTRY_FORK", "no", 1);
  gst_init(nullptr, nullptr);
  // GStreamer's own complaints about a start behind a stop, which both elements get.
  g_log_set_default_handler([](const gchar*, GLogLevelFlags, const gchar*, gpointer) {}, nullptr);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string wrong = dit::plugin_test::walk(std::as_bytes(std::span(data, size)), make_ditsrc);
  if (wrong.empty()) return 0;
  std::fprintf(stderr, "%s\n", wrong.c_str());
  std::abort();
}
