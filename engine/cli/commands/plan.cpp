// SPDX-License-Identifier: MIT
// `dit plan`: what the Vulkan path makes of a model, pass by pass.
#include <fmt/core.h>

#include <map>
#include <memory>

#include "engine/cli/commands/commands.h"
#include "engine/cli/model_path.h"
#include "engine/cli/pages/parser.h"
#include "engine/cli/text/numbers.h"
#include "engine/cli/text/print.h"
#include "engine/error.h"
#include "engine/model/model.h"
#include "engine/network/dit.h"
#include "engine/vulkan/compile/listing.h"
#include "engine/vulkan/executor.h"
#include "engine/vulkan/run/weights.h"

namespace dit::cli {
namespace {

struct Choices {
  std::string file, device = "nvidia-matrix", precision = "auto", fusion = "auto";
  std::uint32_t batch = 1;
  bool guided = false;
};

/// A class without a device: workgroups and shared memory as its devices have them.
struct ClassLimits {
  vulkan::DeviceClass device_class;
  std::uint32_t shared_bytes, processors;
};
const std::map<std::string, ClassLimits> classes = {
    {"nvidia-matrix", {vulkan::DeviceClass::nvidia_matrix, 49088, 132}},  // an H100 or H200
    {"other-discrete", {vulkan::DeviceClass::other_discrete, 32704, 8}},
    {"integrated", {vulkan::DeviceClass::integrated, 32704, 8}},
    {"software", {vulkan::DeviceClass::software, 32704, 1}}};

vulkan::Target target_of(const Choices& choices, const Program& program) {
  const Precision wanted = precision_from_name(choices.precision);
  const Precision precision = wanted == Precision::automatic ? Precision::f32 : wanted;
  expect(precision <= Precision::f16_matrix, ErrorKind::unsupported,
         "precision '{}': Vulkan serves auto, f32, f16 and f16-matrix", name_of(precision));
  const Fusion fusion = fusion_from_name(choices.fusion);
  if (const auto found = classes.find(choices.device); found != classes.end()) {
    const ClassLimits& limits = found->second;
    vulkan::Target target = {.precision = precision, .fusion = fusion};
    target.invocations = 256;
    target.shared_bytes = limits.shared_bytes;
    target.processors = limits.processors;
    target.table = vulkan::table_of(limits.device_class);
    target.matrix_suffix = "_matrix_khr";
    if (fusion == Fusion::automatic) target.fusion = automatic_fusion(program, target);
    vulkan::expect_served(precision, target.fusion);
    return target;
  }
  return vulkan::device_target(choices.device, precision, fusion, program);
}

/// What the plain kernels read.
std::vector<DType> weight_types(const Program& program, const Weights& weights) {
  std::vector<DType> types(program.tensors.size(), DType::f32);
  for (TensorId id = 0; id < types.size(); ++id) {
    const TensorInfo& tensor = program.tensor(id);
    const auto found = weights.tensors.find(tensor.name);
    if (tensor.kind == TensorKind::weight && found != weights.tensors.end())
      types[id] = vulkan::placed_dtype(found->second, false);
  }
  return types;
}

void print_plan(const Choices& choices) {
  const auto model = Model::open(model_path(choices.file));
  const Program program = record(model->config(), {.batch = choices.batch,
                                                   .conditions = choices.guided ? 2u : 1u,
                                                   .steps = model->config().default_steps,
                                                   .guided = choices.guided});
  const vulkan::Target target = target_of(choices, program);
  const vulkan::CompiledProgram compiled = compile(program, target);
  vulkan::Places places = consecutive_places(compiled.layouts);
  places.weight_types = weight_types(program, *model->weights());
  const vulkan::EmittedProgram emitted = emit(program, compiled.layouts, compiled.tiled, target, places);
  say("{}: precision {}, fusion {}, batch {}{}\n\n", model->config().name, name_of(target.precision),
      name_of(target.fusion), choices.batch, choices.guided ? ", guided" : "");
  say_lines(list_groups(program, compiled.fused) + "\n" + list_layouts(program, compiled.layouts) + "\n" +
            list_tiles(program, compiled.tiled, target) + "\n" + list_calls(program, compiled.tiled, emitted));
}

}  // namespace

void add_plan(CLI::App& app) {
  CLI::App* command = app.add_subcommand("plan", "Show how a model becomes GPU kernel calls: fuse, layout, tile, emit");
  auto choices = std::make_shared<Choices>();
  command->add_option("file", choices->file, model_help)->option_text("FILE");
  propose(command
              ->add_option(
                  "--device", choices->device,
                  "A class (nvidia-matrix, other-discrete, integrated, software; needs no GPU), or vulkan:<index>; "
                  "default nvidia-matrix")
              ->option_text("DEVICE"),
          {"nvidia-matrix", "other-discrete", "integrated", "software"});
  propose(command->add_option("--precision", choices->precision, "f32, f16 or f16-matrix; default f32")
              ->option_text("NAME"),
          {"f32", "f16", "f16-matrix"});
  propose(command->add_option("--fusion", choices->fusion, "none, op, block or single; default: the class's fastest")
              ->option_text("NAME"),
          {"none", "op", "block", "single"});
  command->add_option("--batch", choices->batch, "Icons painted at once; default 1")
      ->option_text("NUMBER")
      ->check(whole_number(1, 1024));
  command->add_flag("--guided", choices->guided, "With the rows that guidance needs");
  command->footer(
      "Examples:\n"
      "  dit plan --fusion op\n"
      "  dit plan models/icons.safetensors --precision f16-matrix --fusion block --batch 64");
  command->callback([choices] { print_plan(*choices); });
}

}  // namespace dit::cli
