// SPDX-License-Identifier: MIT
// Kernel calls: the same as recorded, for every model, batch and mode of tests/golden/kernel_calls.txt. A line there is
// a digest over batches, guidance, sizes of device and all words of all calls. DIT_RECORD_CALLS=FILE writes what is.
#include "engine/vulkan/compile/emit.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>

#include "engine/error.h"
#include "engine/vulkan/compile/emission/plain.h"
#include "tests/engine/vulkan/compile/programs.h"

namespace dit::test {
namespace {

/// FNV-1a over words.
class Digest {
 public:
  void add(std::uint32_t word) {
    for (int shift = 0; shift < 32; shift += 8) sum_ = (sum_ ^ (word >> shift & 255)) * 1099511628211ull;
  }
  void add(const std::string& text) {
    for (const unsigned char c : text) add(std::uint32_t{c});
    add(static_cast<std::uint32_t>(text.size()));
  }
  void add(const std::vector<std::uint32_t>& words) {
    add(static_cast<std::uint32_t>(words.size()));
    for (const std::uint32_t word : words) add(word);
  }
  void add(const vulkan::KernelCall& call) {
    add(call.kernel);
    add(call.constants);
    add(call.push);
    for (const std::uint32_t groups : call.groups) add(groups);
    for (const vulkan::Operand& o : call.operands) {
      add(static_cast<std::uint32_t>(o.region));
      add(o.tensor);
      add(std::uint32_t{o.read} | std::uint32_t{o.written} << 1);
    }
  }
  std::uint64_t sum() const { return sum_; }

 private:
  std::uint64_t sum_ = 14695981039346656037ull;
};

struct Mode {
  Precision precision;
  Fusion fusion;
};
constexpr Mode modes[] = {{Precision::f32, Fusion::none},
                          {Precision::f32, Fusion::op},
                          {Precision::f32, Fusion::block},
                          {Precision::f16, Fusion::op},
                          {Precision::f16, Fusion::block},
                          {Precision::f16_matrix, Fusion::none},
                          {Precision::f16_matrix, Fusion::op},
                          {Precision::f16_matrix, Fusion::block},
                          {Precision::f16_matrix, Fusion::persistent}};

std::map<std::string, ModelConfig> models() {
  std::map<std::string, ModelConfig> configs;
  for (const char* name : {"models/icons", "models/icons-small", "tests/golden/tiny", "tests/golden/tiny-detail",
                           "tests/golden/tiny-eps"}) {
    const std::string path = std::string(DIT_SOURCE_DIR) + "/" + name + ".safetensors";
    configs[path.substr(path.rfind('/') + 1, path.rfind('.') - path.rfind('/') - 1)] = Model::open(path)->config();
  }
  // The network of the weights before: windows that overlap, and no prompt in attention.
  ModelConfig windows = configs["icons"];
  windows.window = 16;
  windows.context = 0;
  windows.detail.reset();
  windows.cond_dim = 256;
  configs["icons-windows"] = windows;
  ModelConfig c;
  c.channels = 3;
  c.height = c.width = 64;
  c.patch = 8;
  c.dim = 512;
  c.depth = 4;
  c.heads = 1;
  c.head_dim = 128;
  c.mlp_dim = 2048;
  c.cond_dim = c.time_dim = 128;
  configs["favicon-diffusor"] = c;
  c.patch = 4;
  c.dim = 768;
  c.depth = 12;
  c.head_dim = 192;
  c.mlp_dim = 3072;
  c.cond_dim = c.time_dim = 768;
  configs["favicon-diffusor-large"] = c;
  c.channels = 4;
  c.premultiplied = c.qk_norm = true;
  c.height = 40;
  c.width = 24;
  c.dim = 144;
  c.depth = 2;
  c.heads = 3;
  c.head_dim = 40;
  c.mlp_dim = 200;
  c.cond_dim = c.time_dim = 64;
  configs["awkward"] = c;
  return configs;
}

void add_calls(Digest& digest, const Program& program, const vulkan::Target& target) {
  try {
    const vulkan::CompiledProgram compiled = compile(program, target);
    const vulkan::EmittedProgram emitted = emit_anywhere(program, compiled);
    for (const auto& calls : emitted.calls) {
      for (const vulkan::KernelCall& call : calls) digest.add(call);
    }
    if (emitted.persistent) {
      digest.add(*emitted.persistent);
      for (const vulkan::params::Stage& stage : emitted.stages)
        digest.add(std::vector<std::uint32_t>(&stage.kind, &stage.kind + STAGE_WORDS));
    }
    for (const vulkan::GroupedOp& op : compiled.tiled.ops)
      digest.add(std::vector<std::uint32_t>{static_cast<std::uint32_t>(op.op), op.first, op.last});
    digest.add(static_cast<std::uint32_t>(emitted.packing.size_bytes() / 16));
  } catch (const Error&) {
    digest.add("refused");
  }
}

std::string line_of(const std::string& name, const ModelConfig& config, Mode mode) {
  Digest digest;
  for (const std::uint32_t batch : {1u, 2u, 8u, 32u, 64u, 256u}) {
    for (const bool guided : {false, true}) {
      const Program program =
          record(config, {.batch = batch, .conditions = guided ? 2u : 1u, .steps = 2, .guided = guided});
      for (const std::uint32_t processors : {1u, 8u, 132u}) {
        for (const std::uint32_t shared_bytes : {49088u, 16320u}) {
          vulkan::Target target = gpu_target(mode.precision, mode.fusion);
          target.processors = processors;
          target.shared_bytes = shared_bytes;
          add_calls(digest, program, target);
        }
      }
    }
  }
  return fmt::format("{} {} {} {:016x}", name, name_of(mode.precision), name_of(mode.fusion), digest.sum());
}

TEST(Emit, KernelCallsAreThoseRecorded) {
  std::ifstream file(std::string(DIT_SOURCE_DIR) + "/tests/golden/kernel_calls.txt");
  std::vector<std::string> recorded;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with('#')) recorded.push_back(line);
  }
  std::vector<std::string> found;
  for (const auto& [name, config] : models()) {
    for (const Mode mode : modes) found.push_back(line_of(name, config, mode));
  }
  if (const char* target = std::getenv("DIT_RECORD_CALLS")) {
    std::ofstream out(target);
    for (const std::string& line : found) out << line << '\n';
  }
  EXPECT_EQ(found, recorded);
}

TEST(Emit, SketchesAreStagesOfTheirOwnWhereverTheModelIsServed) {
  for (const auto& [name, config] : models()) {
    for (const Mode mode : modes) {
      const vulkan::Target target = gpu_target(mode.precision, mode.fusion);
      const Program without = record(config, {.batch = 2, .steps = 2});
      const Program with = record(config, {.batch = 2, .steps = 2, .sketches = true, .masks = true});
      ASSERT_EQ(refusal_of(with, target), refusal_of(without, target)) << name;
      if (!refusal_of(with, target).empty()) continue;
      const vulkan::CompiledProgram compiled = compile(with, target);
      const vulkan::EmittedProgram emitted = emit_anywhere(with, compiled);
      std::map<std::string, int> count;
      for (std::size_t i = 0; i < compiled.tiled.groups.size(); ++i) {
        const vulkan::Group& group = compiled.tiled.groups[i].group;
        ++count[kernel_name(with.step[group.op].what)];
        EXPECT_FALSE(group.noisy) << name;
        if (group.work == vulkan::Work::plain) continue;
        const bool alone = group.work == vulkan::Work::begin || group.work == vulkan::Work::hold;
        const std::uint32_t variant = emitted.stages[i].variant;
        EXPECT_TRUE(!alone || mode.fusion != Fusion::persistent || variant == NO_PLACE) << name;
      }
      EXPECT_EQ(count["begin"], 1) << name << " " << name_of(mode.fusion);
      EXPECT_EQ(count["hold"], 1) << name << " " << name_of(mode.fusion);
      EXPECT_EQ(count["noise"], 0) << name << " " << name_of(mode.fusion);
    }
  }
}

TEST(Emit, PersistentStagesThatDifferOnlyInPlacesShareAVariant) {
  const Program program = small_program(1, 512);
  const vulkan::EmittedProgram emitted =
      emit_anywhere(program, compile(program, gpu_target(Precision::f16_matrix, Fusion::persistent)));
  ASSERT_TRUE(emitted.persistent);
  std::uint32_t most = 0, without = 0;
  std::set<std::uint32_t> used;
  for (const vulkan::params::Stage& stage : emitted.stages) {
    if (stage.variant == NO_PLACE) {
      ++without;
    } else {
      most = std::max(most, stage.variant);
      used.insert(stage.variant);
    }
  }
  EXPECT_EQ(without, 1u) << "bytes of the picture";
  EXPECT_EQ(used.size(), most + 1) << "no variant stands twice";
  EXPECT_LT(most + 1, emitted.stages.size()) << "two layers share their variants";
  EXPECT_EQ(emitted.persistent->constants.size(), STAGE_CONSTANTS + 64u * most + STAGE_WORDS);
}

}  // namespace
}  // namespace dit::test
