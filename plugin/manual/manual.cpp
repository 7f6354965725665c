// SPDX-License-Identifier: MIT
// Writes a man page for each element of a plugin, and gst_plugins_cache.json, the form in which GStreamer's own
// documentation takes plugins: both from what the elements say of themselves. Run by the build:
//   dit_manual PLUGIN.so FOLDER
#include <gst/gst.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <vector>

#include "plugin/manual/documents.h"
#include "plugin/manual/page.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: dit_manual PLUGIN.so FOLDER\n");
    return 2;
  }
  gst_init(nullptr, nullptr);
  GError* error = nullptr;
  GstPlugin* plugin = gst_plugin_load_file(argv[1], &error);
  if (plugin == nullptr) {
    std::fprintf(stderr, "dit_manual: %s: %s\n", argv[1], error->message);
    return 1;
  }
  std::filesystem::create_directories(argv[2]);
  GList* features = gst_registry_get_feature_list_by_plugin(gst_registry_get(), gst_plugin_get_name(plugin));
  std::vector<GstElementFactory*> elements;
  for (const GList* at = features; at != nullptr; at = at->next) {
    if (GST_IS_ELEMENT_FACTORY(at->data)) elements.push_back(GST_ELEMENT_FACTORY(at->data));
  }
  const std::filesystem::path folder = argv[2];
  for (GstElementFactory* element : elements) dit::plugin::write_page(folder, plugin, element);
  std::ofstream documents(folder / "gst_plugins_cache.json");
  documents << dit::plugin::documents_of(plugin, elements) << '\n';
  gst_plugin_feature_list_free(features);
  gst_object_unref(plugin);
  return elements.empty() || !documents.flush() ? 1 : 0;
}
