// SPDX-License-Identifier: MIT
// Which picture frame n shows, whatever the batch, the mode, and interruptions.
#include <gtest/gtest.h>

#include <memory>
#include <set>

#include "engine/session/session.h"
#include "tests/plugin/support/source.h"

namespace dit::plugin_test {
namespace {

using Bytes = std::vector<std::uint8_t>;

/// The same icon straight from the engine, without GStreamer.
Bytes from_engine(const IconSettings& settings, std::uint64_t index, std::uint32_t step) {
  const auto session = Session::open({.model = tiny_model(), .device = "cpu"});
  session->begin(settings, index, 1);
  session->advance(step);
  Bytes rgba(std::size_t{12} * 8 * 4);
  session->read(0, rgba);
  return rgba;
}

IconSettings fox(std::uint64_t seed) {
  IconSettings settings;
  settings.prompt = "red fox";
  settings.style = "flat";
  settings.seed = seed;
  return settings;
}

const Properties fox_properties = {{"prompt", "red fox"}, {"style", "flat"}, {"seed", "12345678901234567890"}};
constexpr std::uint64_t fox_seed = 12345678901234567890U;

Properties with(Properties properties, const Properties& more) {
  properties.insert(properties.end(), more.begin(), more.end());
  return properties;
}

TEST(DitSrcStream, FrameKIsIconKOfTheSeed) {
  const auto frames = pictures(fox_properties, 4);
  for (std::uint64_t k = 0; k < frames.size(); ++k) EXPECT_EQ(frames[k], from_engine(fox(fox_seed), k, 8)) << k;
  EXPECT_EQ(std::set<Bytes>(frames.begin(), frames.end()).size(), 4U) << "two icons are alike";
}

TEST(DitSrcStream, TwoElementsAgree) { EXPECT_EQ(pictures(fox_properties, 6), pictures(fox_properties, 6)); }

TEST(DitSrcStream, EverySettingCounts) {
  std::set<Bytes> seen;
  const std::vector<Properties> variants = {
      {},
      {{"seed", "1"}},
      {{"seed", "18446744073709551615"}},
      {{"prompt", "green car"}},
      {{"style", "line"}},
      {{"steps", "5"}},
      {{"guidance", "1"}},
      {{"guidance", "6"}},
      {{"sampler", "ddpm"}},
      {{"sampler", "dpm++2m"}},
      {{"sampler", "dpm++3m"}},
      {{"sampler", "ipndm"}},
  };
  for (const Properties& variant : variants) seen.insert(pictures(with(fox_properties, variant), 1)[0]);
  EXPECT_EQ(seen.size(), variants.size());
}

TEST(DitSrcStream, DefaultsAreTheModels) {
  const Properties spelled = {{"steps", "8"}, {"sampler", "euler"}, {"guidance", "2.5"}};
  EXPECT_EQ(pictures(fox_properties, 2), pictures(with(fox_properties, spelled), 2));
}

TEST(DitSrcStream, BatchSizeAndThreadsNeverChangeAPicture) {
  for (const std::string emit : {"final", "steps"}) {
    const Properties base = with(fox_properties, {{"emit", emit}, {"hold", "2"}, {"steps", "4"}});
    const auto one = pictures(base, 17);
    for (const std::string batch : {"2", "3", "64"}) {
      EXPECT_EQ(pictures(with(base, {{"batch-size", batch}}), 17), one) << "emit " << emit << ", batch " << batch;
    }
    EXPECT_EQ(pictures(with(base, {{"threads", "1"}}), 17), one);
  }
}

TEST(DitSrcStream, EmitStepsShowsEveryStepThenHolds) {
  constexpr int steps = 5;
  constexpr int hold = 3;
  constexpr int span = steps + hold - 1;
  const Properties base = with(fox_properties, {{"steps", "5"}});
  const auto finals = pictures(base, 2);
  const auto frames = pictures(with(base, {{"emit", "steps"}, {"hold", "3"}}), 2 * span);
  IconSettings settings = fox(fox_seed);
  settings.steps = steps;
  for (int icon = 0; icon < 2; ++icon) {
    for (int i = 0; i < span; ++i) {
      const Bytes& frame = frames[static_cast<std::size_t>(icon * span + i)];
      if (i < steps) {
        EXPECT_EQ(frame, from_engine(settings, static_cast<std::uint64_t>(icon), static_cast<std::uint32_t>(i + 1)))
            << "icon " << icon << " step " << i + 1;
      } else {
        EXPECT_EQ(frame, finals[static_cast<std::size_t>(icon)]) << "icon " << icon << " held frame " << i;
      }
    }
    EXPECT_EQ(frames[static_cast<std::size_t>(icon * span + steps - 1)], finals[static_cast<std::size_t>(icon)]);
  }
}

TEST(DitSrcStream, ANameOwnsASeed) {
  const std::string name = "Ada Lovelace \xc3\xa9";
  GstElement* element = make_element({{"seed", "4"}});
  guint64 seed = 0;
  g_object_set(element, "seed-name", name.c_str(), nullptr);
  g_object_get(element, "seed", &seed, nullptr);
  EXPECT_EQ(seed, seed_from_name(name));
  // An empty name gives the seed back that was set.
  g_object_set(element, "seed-name", "", nullptr);
  g_object_get(element, "seed", &seed, nullptr);
  EXPECT_EQ(seed, 4U);
  // The element's own name is GStreamer's business and picks no seed.
  g_object_set(element, "name", "ada", nullptr);
  g_object_get(element, "seed", &seed, nullptr);
  EXPECT_EQ(seed, 4U);
  gst_object_unref(element);
  EXPECT_EQ(pictures({{"seed-name", "ada"}, {"seed", "9"}}, 1),
            pictures({{"seed", std::to_string(seed_from_name("ada"))}}, 1));
}

TEST(DitSrcStream, PropertiesReadBackAsTheyWereSet) {
  GstElement* element =
      make_element({{"prompt", "blue car"}, {"hold", "9"}, {"sampler", "dpm++3m"}, {"emit", "steps"}});
  gchar* prompt = nullptr;
  gchar* style = nullptr;
  guint hold = 0;
  gint emit = 0;
  gint sampler = 0;
  gdouble guidance = 0;
  guint background = 0;
  g_object_get(element, "prompt", &prompt, "style", &style, "hold", &hold, "emit", &emit, "sampler", &sampler,
               "guidance", &guidance, "background", &background, nullptr);
  EXPECT_STREQ(prompt, "blue car");
  EXPECT_EQ(style, nullptr);
  EXPECT_EQ(hold, 9U);
  EXPECT_EQ(emit, 1);
  EXPECT_EQ(sampler, 1 + static_cast<int>(Sampler::dpmpp_3m));
  EXPECT_EQ(guidance, -1);
  EXPECT_EQ(background, 0xffffffffU);
  g_free(prompt);
  gst_object_unref(element);
}

/// Runs `action` in the streaming thread when frame `at` leaves the element.
struct AtFrame {
  AtFrame(Source& source, std::uint64_t frame, Properties properties)
      : element(source.element()), at(frame), change(std::move(properties)) {
    GstPad* pad = gst_element_get_static_pad(element, "src");
    gst_pad_add_probe(
        pad, GST_PAD_PROBE_TYPE_BUFFER,
        [](GstPad*, GstPadProbeInfo* info, gpointer data) {
          auto* self = static_cast<AtFrame*>(data);
          if (GST_BUFFER_OFFSET(GST_PAD_PROBE_INFO_BUFFER(info)) == self->at) set(self->element, self->change);
          return GST_PAD_PROBE_OK;
        },
        this, nullptr);
    gst_object_unref(pad);
  }
  GstElement* element;
  std::uint64_t at;
  Properties change;
};

TEST(DitSrcStream, ChangesApplyFromTheNextIcon) {
  // In mid-batch too: icon 2 is the first one after the change, whatever was painted ahead.
  Source source(with(fox_properties, {{"batch-size", "8"}, {"num-buffers", "4"}}));
  const AtFrame change(source, 1, {{"prompt", "green tree"}, {"seed", "6"}});
  source.play();
  const auto frames = source.pull(4);
  IconSettings tree = fox(6);
  tree.prompt = "green tree";
  EXPECT_EQ(frames[1].bytes, from_engine(fox(fox_seed), 1, 8));
  EXPECT_EQ(frames[2].bytes, from_engine(tree, 2, 8));
  EXPECT_EQ(frames[3].bytes, from_engine(tree, 3, 8));
}

TEST(DitSrcStream, AnIconInTheMakingIsNotChanged) {
  Source source(with(fox_properties, {{"emit", "steps"}, {"num-buffers", "11"}}));
  const AtFrame change(source, 3, {{"seed", "6"}, {"steps", "3"}});
  source.play();
  const auto frames = source.pull(11);
  EXPECT_EQ(frames[7].bytes, from_engine(fox(fox_seed), 0, 8));
  IconSettings next = fox(6);
  next.steps = 3;
  for (std::uint32_t step = 1; step <= 3; ++step) {
    EXPECT_EQ(frames[7 + step].bytes, from_engine(next, 1, step)) << "the next icon starts at once with its own steps";
  }
}

struct ClockBinding {
  GstControlBinding parent;
};
struct ClockBindingClass {
  GstControlBindingClass parent;
};

gboolean seed_from_time(GstControlBinding* binding, GstObject* object, GstClockTime time, GstClockTime) {
  g_object_set(object, binding->name, static_cast<guint64>(time / GST_MSECOND), nullptr);
  return TRUE;
}

GType clock_binding_type() {
  static const GType type = g_type_register_static_simple(
      GST_TYPE_CONTROL_BINDING, "DitTestClockBinding", sizeof(ClockBindingClass),
      [](gpointer klass, gpointer) { GST_CONTROL_BINDING_CLASS(klass)->sync_values = seed_from_time; },
      sizeof(ClockBinding), nullptr, static_cast<GTypeFlags>(0));
  return type;
}

TEST(DitSrcStream, SeedCanBeControlledByTime) {
  Source source(with(fox_properties, {{"num-buffers", "3"}}));
  auto* binding = static_cast<GstControlBinding*>(
      g_object_new(clock_binding_type(), "object", source.element(), "name", "seed", nullptr));
  ASSERT_TRUE(gst_object_add_control_binding(GST_OBJECT(source.element()), binding));
  source.play();
  const auto frames = source.pull(3);
  for (std::uint64_t k = 0; k < 3; ++k) EXPECT_EQ(frames[k].bytes, from_engine(fox(100 * k), k, 8)) << k;
}

/// What the element counts on: it reads prompts when it takes settings, and the session does not read them once more.
TEST(DitSrcStream, ALabelReadBeforeIsTheOneThatIsPainted) {
  const auto session = Session::open({.model = tiny_model(), .device = "cpu"});
  IconSettings settings = fox(6);
  settings.label = std::make_shared<const Label>(parse_label(session->model().config(), "green tree", "flat"));
  IconSettings tree = fox(6);
  tree.prompt = "green tree";
  EXPECT_EQ(from_engine(settings, 0, 8), from_engine(tree, 0, 8));
  EXPECT_NE(from_engine(settings, 0, 8), from_engine(fox(6), 0, 8));
}

TEST(DitSrcStream, EndsAfterNumBuffers) {
  Source source(Properties{{"num-buffers", "3"}});
  source.play();
  source.pull(3);
  EXPECT_TRUE(source.ends());
}

TEST(DitSrcMessages, DeviceOnceAndEveryIconOnce) {
  Source source(Properties{{"prompt", "red fox"},
                           {"style", "line"},
                           {"seed", "18446744073709551615"},
                           {"emit", "steps"},
                           {"steps", "2"},
                           {"hold", "2"},
                           {"batch-size", "2"},
                           {"num-buffers", "9"}});
  source.play();
  source.pull(9);
  ASSERT_TRUE(source.ends());
  std::vector<std::string> texts;
  EXPECT_TRUE(drain(source.bus(), &texts).empty());
  ASSERT_EQ(texts.size(), 4U);
  const auto parsed = [&](std::size_t i) { return gst_structure_from_string(texts[i].c_str(), nullptr); };
  GstStructure* device = parsed(0);
  ASSERT_TRUE(gst_structure_has_name(device, "ditsrc-device"));
  EXPECT_STREQ(gst_structure_get_string(device, "device"), "cpu");
  EXPECT_STREQ(gst_structure_get_string(device, "model"), tiny_model().c_str());
  EXPECT_NE(std::string(gst_structure_get_string(device, "name")), "");
  EXPECT_NE(std::string(gst_structure_get_string(device, "note")), "");
  gst_structure_free(device);
  for (std::uint64_t k = 0; k < 3; ++k) {
    GstStructure* icon = parsed(k + 1);
    guint64 index = 99;
    guint64 seed = 0;
    guint64 time = 0;
    guint steps = 0;
    EXPECT_TRUE(gst_structure_has_name(icon, "ditsrc-icon"));
    EXPECT_TRUE(gst_structure_get(icon, "index", G_TYPE_UINT64, &index, "seed", G_TYPE_UINT64, &seed, "steps",
                                  G_TYPE_UINT, &steps, "render-time", G_TYPE_UINT64, &time, nullptr));
    EXPECT_EQ(index, k);
    EXPECT_EQ(seed, 18446744073709551615U);
    EXPECT_EQ(steps, 2U);
    EXPECT_GT(time, 0U);
    EXPECT_LT(time, 60 * GST_SECOND);
    EXPECT_STREQ(gst_structure_get_string(icon, "prompt"), "red fox");
    EXPECT_STREQ(gst_structure_get_string(icon, "style"), "line");
    gst_structure_free(icon);
  }
}

}  // namespace
}  // namespace dit::plugin_test
