// SPDX-License-Identifier: MIT
// Kernels compiled at run time: the same as those built in, mistakes with file and line, and edits while icons are
// painted.
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "engine/session/session.h"
#include "engine/vulkan/device/sources/shader_sources.h"
#include "tests/engine/support/devices_under_test.h"
#include "tests/engine/support/golden.h"
#include "tests/engine/support/shader_copy.h"

namespace dit::test {
namespace {

using vulkan::ShaderCompiler;
using vulkan::ShaderSources;
using Words = std::vector<std::uint32_t>;

constexpr const char* to_rgba = "plain/to_rgba.comp";
constexpr const char* red_and_blue = "vec4(x_values[at], x_values[at + p.pixels], x_values[at + 2u * p.pixels], alpha)";
constexpr const char* blue_and_red = "vec4(x_values[at + 2u * p.pixels], x_values[at + p.pixels], x_values[at], alpha)";

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Longer than kernels are left alone between two looks at their files.
void wait_for_a_look() { std::this_thread::sleep_for(std::chrono::milliseconds(250)); }

template <typename Work>
std::string text_of_error(Work&& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return {};
}

class Shaders : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string problem = shader_compiler_problem(); !problem.empty()) GTEST_SKIP() << problem;
  }
  static Words built_in(const std::string& kernel) {
    const auto words = vulkan::spirv(kernel);
    return {words.begin(), words.end()};
  }
  static Words compile(const ShaderCompiler& compiler, const std::string& kernel) {
    std::vector<vulkan::SourceFile> files;
    return compiler.compile(vulkan::kernel_source(kernel), files);
  }

  ShaderCopy copy_{"edited-shaders"};
};

TEST_F(Shaders, AreThoseOfTheBuild) {
  const ShaderCompiler compiler(copy_.folder(), {.library = "none", .program = DIT_GLSLC});
  for (const char* kernel :
       {"attention", "linear_f32", "linear_q4", "to_rgba", "dispatch_f16", "persistent_matrix_emulated",
        "persistent_matrix_nv", "persistent_matrix_khr", "ceiling_matrix_khr", "ceiling_empty"}) {
    EXPECT_EQ(compile(compiler, kernel), built_in(kernel)) << kernel;
  }
}

/// Where there are both.
TEST_F(Shaders, AreCompiledByTheLibraryAsByTheProgram) {
  std::vector<std::unique_ptr<vulkan::Shaderc>> compilers;
  try {
    compilers.push_back(vulkan::open_shaderc(vulkan::CompilerNames().library));
    compilers.push_back(vulkan::open_glslc(vulkan::CompilerNames().program));
  } catch (const Error& error) {
    GTEST_SKIP() << error.what();
  }
  constexpr std::uint32_t magic = 0x07230203, version_1_6 = 0x10600;
  vulkan::ShaderText shader = {.name = "some.comp", .text = {}, .definition = "SOME", .vulkan_minor = 3};
  const auto with = [&](const char* body) {
    shader.text = fmt::format(
        "#version 450\n#ifdef SOME\nlayout(binding = 0) buffer B {{ float b[]; }};\n#endif\n"
        "void main() {{ {} }}\n",
        body);
    return shader;
  };
  for (const auto& compiler : compilers) {
    const Words words = compiler->compile(with("b[0] = 1.0;"));
    ASSERT_GT(words.size(), 5U);
    EXPECT_EQ(words[0], magic);
    EXPECT_EQ(words[1], version_1_6);
    EXPECT_EQ(text_of_error([&] { compiler->compile(with("b[0] = mistake;")); }),
              "some.comp:5: error: 'mistake' : undeclared identifier");
  }
}

TEST_F(Shaders, MistakesHaveFileAndLine) {
  const int line = copy_.edit(to_rgba, "const float alpha", "const float alpha = missing;\n  const float beta");
  const ShaderCompiler compiler(copy_.folder());
  std::string text = text_of_error([&] { compile(compiler, "to_rgba"); });
  EXPECT_TRUE(text.starts_with(fmt::format("{}:{}: error: 'missing'", copy_.path(to_rgba).string(), line))) << text;

  copy_.mend(to_rgba);
  const int line_of_include = copy_.edit("common/picture.glsl", "uint rgba_word(", "uint no_comma rgba_word(");
  text = text_of_error([&] { compile(compiler, "to_rgba"); });
  EXPECT_TRUE(
      contains(text, fmt::format("{}:{}: error: ", copy_.path("common/picture.glsl").string(), line_of_include)))
      << text;

  std::filesystem::remove(copy_.path("common/picture.glsl"));
  text = text_of_error([&] { compile(compiler, "to_rgba"); });
  EXPECT_TRUE(contains(text, copy_.path(to_rgba).string() + ":")) << text;
  EXPECT_TRUE(contains(text, "cannot read " + copy_.path("common/picture.glsl").string())) << text;
  std::filesystem::remove(copy_.path(to_rgba));
  text = text_of_error([&] { compile(compiler, "to_rgba"); });
  EXPECT_TRUE(contains(text, copy_.path(to_rgba).string())) << text;
}

TEST_F(Shaders, WhatIsMissingIsNamed) {
  const auto open_without = [&] { ShaderCompiler(copy_.folder(), {"libshaderc-of-nobody.so.1", "glslc-of-nobody"}); };
  std::string text = text_of_error(open_without);
  EXPECT_TRUE(contains(text, "libshaderc-of-nobody.so.1")) << text;
  EXPECT_TRUE(contains(text, "libshaderc1")) << text;
  EXPECT_TRUE(contains(text, "glslc-of-nobody")) << text;
  text = text_of_error([] { ShaderCompiler("no/such/folder"); });
  EXPECT_TRUE(contains(text, "DIT_SHADER_DIR=no/such/folder")) << text;
  text = text_of_error([&] { ShaderCompiler(copy_.folder().parent_path() / "shaders"); });
  EXPECT_TRUE(contains(text, "a folder without them")) << text;
}

TEST_F(Shaders, AreCompiledAgainWhenAFileTheyReadChanges) {
  ShaderSources sources(copy_.folder());
  const auto words = [&](const char* kernel) {
    const auto found = sources.words(kernel);
    return Words(found.begin(), found.end());
  };
  const Words first = words("to_rgba"), noise = words("noise");
  EXPECT_EQ(sources.refresh(), std::vector<std::string>());

  wait_for_a_look();
  copy_.edit("common/picture.glsl", "255", "128");
  EXPECT_EQ(sources.refresh(), std::vector<std::string>{"to_rgba"});
  const Words edited = words("to_rgba");
  EXPECT_NE(edited, first);
  EXPECT_EQ(words("noise"), noise);
  copy_.mend("common/picture.glsl");

  wait_for_a_look();
  copy_.edit("common/picture.glsl", "uint rgba_word(", "mistake rgba_word(");
  EXPECT_EQ(sources.refresh(), std::vector<std::string>());
  EXPECT_EQ(words("to_rgba"), edited) << "the last good one";
  EXPECT_EQ(sources.notice().number, 1U);
  EXPECT_TRUE(contains(sources.notice().text, "picture.glsl:")) << sources.notice().text;
  wait_for_a_look();
  EXPECT_EQ(sources.refresh(), std::vector<std::string>());
  EXPECT_EQ(sources.notice().number, 1U) << "the same mistake";

  wait_for_a_look();
  copy_.mend("common/picture.glsl");
  EXPECT_EQ(sources.refresh(), std::vector<std::string>{"to_rgba"});
  EXPECT_EQ(words("to_rgba"), first);
  EXPECT_EQ(sources.notice().text, "");
}

/// A session whose kernels come from the copy.
class EditedKernels : public Shaders {
 protected:
  using Icon = std::vector<std::uint8_t>;

  void SetUp() override {
    Shaders::SetUp();
    if (const std::string problem = vulkan_problem(); !IsSkipped() && !problem.empty()) GTEST_SKIP() << problem;
  }
  static std::unique_ptr<Session> open() {
    return Session::open(Engine::open_own({.model = golden_path("tiny.safetensors"),
                                           .device = "vulkan:" + std::to_string(vulkan_index()),
                                           .options = {.fusion = Fusion::op}}));
  }
  static Icon read(Session& session, std::uint32_t icon = 0) {
    Icon out(std::size_t{session.model().config().width} * session.model().config().height * 4);
    session.read(icon, out);
    return out;
  }
  static Icon paint(Session& session) {
    session.begin(settings(), 0, 1);
    session.advance(session.steps());
    return read(session);
  }
  static IconSettings settings() {
    IconSettings wanted;
    wanted.prompt = "red fox";
    wanted.steps = 3;
    return wanted;
  }
  static Icon swapped(Icon icon) {
    for (std::size_t i = 0; i < icon.size(); i += 4) std::swap(icon[i], icon[i + 2]);
    return icon;
  }
};

TEST_F(EditedKernels, ShowInTheNextIcon) {
  const Icon plain = paint(*open());
  ASSERT_NE(swapped(plain), plain) << "a picture that shows nothing";
  const ShaderFolder folder(copy_.folder());
  const auto session = open();
  EXPECT_EQ(paint(*session), plain);

  wait_for_a_look();
  copy_.edit(to_rgba, red_and_blue, blue_and_red);
  EXPECT_EQ(paint(*session), swapped(plain));
  EXPECT_EQ(session->take_warning(), "");

  wait_for_a_look();
  const int line = copy_.edit(to_rgba, "rgba[i] =", "rgba[i] = mistake +");
  EXPECT_EQ(paint(*session), swapped(plain)) << "the last good kernel";
  const std::string warning = session->take_warning();
  EXPECT_TRUE(contains(warning, fmt::format("to_rgba.comp:{}: error: 'mistake'", line))) << warning;
  wait_for_a_look();
  EXPECT_EQ(paint(*session), swapped(plain));
  EXPECT_EQ(session->take_warning(), "") << "the same mistake again";

  // What the host does not bind is no kernel of ours, whether the driver sees it or not.
  copy_.mend(to_rgba);
  copy_.edit(to_rgba, "binding = 1", "binding = 7");
  wait_for_a_look();
  EXPECT_EQ(paint(*session), swapped(plain));
  const std::string binding = session->take_warning();
  EXPECT_TRUE(contains(binding, "to_rgba.comp: expected bindings below 2, found 7")) << binding;

  wait_for_a_look();
  copy_.mend(to_rgba);
  EXPECT_EQ(paint(*session), plain);
  EXPECT_EQ(session->take_warning(), "");
}

TEST_F(EditedKernels, ShowInTheTablesAndInWhatIsAnnounced) {
  const ShaderFolder folder(copy_.folder());
  const auto session = open();
  const Icon plain = paint(*session);
  const std::vector<IconPoint> again = {{.from = {0, 0}}};
  session->announce(again);
  wait_for_a_look();
  // linear makes the modulation tables, once a condition.
  copy_.edit("plain/linear.comp", "= value;", "= value * 1.5;");
  session->begin_announced();
  session->advance(session->steps());
  const Icon found = read(*session);
  EXPECT_NE(found, plain);
  EXPECT_EQ(found, paint(*open()));
}

TEST_F(EditedKernels, ShowInAPipeline) {
  const ShaderFolder folder(copy_.folder());
  const auto session = open();
  const auto point = [](std::uint64_t) { return IconPoint{.from = {0, 0}}; };
  session->begin_pipeline(settings(), point, 3);
  const Icon plain = read(*session, session->next_icon());
  EXPECT_EQ(read(*session, session->next_icon()), plain);
  wait_for_a_look();
  copy_.edit(to_rgba, red_and_blue, blue_and_red);
  EXPECT_EQ(read(*session, session->next_icon()), swapped(plain));
}

TEST_F(EditedKernels, OfTwoSessionsShowInBoth) {
  const ShaderFolder folder(copy_.folder());
  const auto session = open();
  const auto other = Session::open(session->engine());
  const Icon plain = paint(*session);
  EXPECT_EQ(paint(*other), plain);
  for (int i = 0; i < 2; ++i) {
    wait_for_a_look();
    i == 0 ? (void)copy_.edit(to_rgba, red_and_blue, blue_and_red) : copy_.mend(to_rgba);
    EXPECT_EQ(paint(*session), i == 0 ? swapped(plain) : plain);
    EXPECT_EQ(paint(*other), i == 0 ? swapped(plain) : plain);
  }
}

TEST_F(EditedKernels, MayReplaceThoseOfAnotherSessionsIcon) {
  const ShaderFolder folder(copy_.folder());
  const auto session = open();
  const auto other = Session::open(session->engine());
  const auto begin = [&] { other->begin(settings(), 0, 1, Pace::step_by_step); };
  const auto paint_to = [&](std::uint32_t step) {
    for (std::uint32_t i = other->step() + 1; i <= step; ++i) other->advance(i);
  };
  // Until commands for every step are recorded in every ring entry.
  for (int icon = 0; icon < 6; ++icon) {
    begin();
    paint_to(3);
  }
  const Icon plain = read(*other);
  begin();
  paint_to(1);
  wait_for_a_look();
  copy_.edit(to_rgba, red_and_blue, blue_and_red);
  EXPECT_EQ(paint(*session), swapped(plain));
  // Submits commands with the pipelines that were replaced: the validation layer knows whether they are still there.
  paint_to(3);
  EXPECT_EQ(read(*other), plain);
  EXPECT_EQ(paint(*other), swapped(plain));
}

TEST_F(EditedKernels, AreNotKeptForOtherRuns) {
  const std::filesystem::path cache = std::filesystem::path(DIT_BUILD_DIR) / "cache-of-edited-kernels";
  std::filesystem::remove_all(cache);
  const char* before = std::getenv("DIT_CACHE");
  const std::string kept = before ? before : "";
  ::setenv("DIT_CACHE", cache.c_str(), 1);
  {
    const ShaderFolder folder(copy_.folder());
    paint(*open());
    EXPECT_FALSE(std::filesystem::exists(cache));
  }
  paint(*open());
  EXPECT_TRUE(std::filesystem::exists(cache)) << "kernels that were built in are kept";
  ::setenv("DIT_CACHE", kept.c_str(), 1);
  std::filesystem::remove_all(cache);
}

}  // namespace
}  // namespace dit::test
