// SPDX-License-Identifier: MIT
// Pictures of older weights stay as they are, to the byte, whatever the engine learns. The sums were made by commit
// 7851eb5, before networks had prompts in attention or a convolutional head, those of icons when its present weights
// came; a change that is meant writes them anew.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <vector>

#include "engine/cpu/executor.h"
#include "engine/cpu/kernels/targets.h"
#include "engine/network/dit.h"
#include "engine/session/batch_request.h"
#include "tests/engine/support/formula_weights.h"
#include "tests/engine/support/golden.h"

namespace dit::test {
namespace {

/// FNV-1a of the bytes of all icons of a batch.
std::string sum_of_pictures(const std::shared_ptr<const Model>& model, const IconSettings& settings,
                            std::uint32_t batch) {
  const Conditioning conditioning(model);
  BatchRequest request(model->config(), conditioning);
  request.make(settings, {.strengths = std::vector<double>(batch, 1.0)});
  for (std::uint32_t b = 0; b < batch; ++b) request.icons()[b] = {.from = {3, 40 + b}};
  const auto executor = cpu::open(model->weights(), {.threads = 2});
  const auto plan = executor->plan(record(model->config(), request.shape()));
  plan->set_request(request.request());
  plan->prepare(never_cancelled);
  const Ticket ticket = plan->run(0, request.shape().steps, never_cancelled);
  std::vector<std::uint8_t> icon(std::size_t{model->config().width} * model->config().height * 4);
  std::uint64_t sum = 0xcbf29ce484222325u;
  for (std::uint32_t b = 0; b < batch; ++b) {
    plan->read(ticket, b, icon);
    for (const std::uint8_t byte : icon) sum = (sum ^ byte) * 0x100000001b3u;
  }
  return fmt::format("{:016x}", sum);
}

IconSettings settings(const char* prompt, std::uint32_t steps, double guidance, Sampler sampler) {
  IconSettings s;
  s.prompt = prompt;
  s.steps = steps;
  s.guidance = guidance;
  s.sampler = sampler;
  return s;
}

/// Only with fused multiply-add do all targets give the same bits, and mathematics of the host the ones that the sums
/// were made with.
bool has_the_bits() { return cpu::target().starts_with("AVX") || cpu::target().starts_with("NEON"); }

TEST(OlderWeights, TheirPicturesAreUnchangedToTheByte) {
  if (!has_the_bits()) GTEST_SKIP() << "sums are of AVX2, AVX-512 and NEON, here is " << cpu::target();
  const auto shipped = [](const char* name) {
    return Model::open(fmt::format("{}/models/{}.safetensors", DIT_SOURCE_DIR, name));
  };
  const auto tiny = Model::open(golden_path("tiny.safetensors"));
  const auto epsilon = Model::open(golden_path("tiny-eps.safetensors"));
  const auto icons = shipped("icons"), small = shipped("icons-small");
  EXPECT_EQ(sum_of_pictures(tiny, settings("red fox", 8, 2.5, Sampler::euler), 3), "cb26669959df6e36");
  EXPECT_EQ(sum_of_pictures(tiny, settings("green tree", 5, 1, Sampler::dpmpp_3m), 1), "449ef39e07c1704a");
  EXPECT_EQ(sum_of_pictures(epsilon, settings("x y", 6, 2, Sampler::ddpm), 2), "a82704480c2b79be");
  EXPECT_EQ(sum_of_pictures(icons, settings("fox", 4, 1, Sampler::euler), 1), "27a33c518f8987e8");
  EXPECT_EQ(sum_of_pictures(icons, settings("red heart", 2, 2, Sampler::euler), 2), "7e553247c7fd5356");
  EXPECT_EQ(sum_of_pictures(small, settings("house", 4, 1, Sampler::euler), 1), "ae10a33b64d88fb0");
}

TEST(OlderWeights, ThoseOfTheSeedsNetworkToo) {
  if (!has_the_bits()) GTEST_SKIP() << "sums are of AVX2, AVX-512 and NEON, here is " << cpu::target();
  const auto seed = Model::from(formula_weights(), "formula.wts");
  EXPECT_EQ(sum_of_pictures(seed, settings("", 32, 1, Sampler::ddpm), 1), "142f3f07551951d0");
  EXPECT_EQ(sum_of_pictures(seed, settings("", 4, 1, Sampler::ddim), 2), "db62e8f0887616ec");
}

}  // namespace
}  // namespace dit::test
