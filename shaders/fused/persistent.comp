// SPDX-License-Identifier: MIT
#version 450
// persistent: all stages of all steps in one dispatch, on matrix hardware. Each kind of stage has code of its own, a
// variant, with its sizes as constants; workgroups wait for each other as late as a stage allows, and meanwhile ask for
// its weights.
//   range [8] u32: barriers, then steps and stages to run, see stage.h   status u32: set to 1 if the dispatch gave up
// Groups (n, 1, 1), n no more than the device keeps resident.
#extension GL_GOOGLE_include_directive : require
#define PERSISTENT
#include "shaders/fused/matrix/fragments.glsl"
layout(push_constant) uniform Push { PersistentPush push; };
layout(set = 0, binding = 3, std140) uniform Stages { Stage stages[STAGES_LIMIT]; };
layout(set = 0, binding = 10, std430) readonly buffer Range { uint range[]; };
layout(set = 0, binding = 11, std430) writeonly buffer Status { uint status; };
uint stage_at;
#define P stages[stage_at]
#define CONTROL_BINDING 9
#define SPIN_LIMIT push.spin_limit
#define GIVE_UP status = 1u;
#include "shaders/common/grid_barrier.glsl"
#include "shaders/fused/formulas.glsl"
#define S(member) stages[stage_at].member
#include "shaders/fused/places.glsl"
#include "shaders/fused/matrix/tables.glsl"
#include "shaders/fused/overlap.glsl"
#include "shaders/fused/picture.glsl"
#undef S
#include "variants.glsl"

/// Whether some icon begins at this step: others need no noise to start from.
bool some_icon_begins(uint step) {
  for (uint icon = 0u; icon < P.batch; ++icon) {
    const uint row = solver_row[step * P.batch + icon];
    if (row == solver[row].first) return true;
  }
  return false;
}

/// Whether a stage has nothing to do at a step: of the bytes only the last step's are read.
bool idle_stage(uint step, uint last_step) {
  if (P.kind == STAGE_RGBA) return step + 1u < last_step;
  return (P.kind == STAGE_NOISE || P.kind == STAGE_BEGIN) && !some_icon_begins(step);
}

#define TILES(run)                                                        \
  for (uint t = gl_WorkGroupID.x; t < P.tiles; t += gl_NumWorkGroups.x) { \
    run(t, step);                                                         \
    if (t + gl_NumWorkGroups.x < P.tiles) barrier();                      \
  }
#define CASE(variant) \
  case variant:       \
    TILES(run_stage_of_##variant) break;

void run_variant(uint step) {
  switch (P.variant) {
    EACH_VARIANT(CASE)
    default:
      wait_for_others();
      TILES(run_pointwise)
  }
}

void main() {
  const uint last_step = range[RANGE_LAST_STEP], last_stage = range[RANGE_LAST_STAGE];
  for (uint i = range[RANGE_BARRIERS]; i > 0u; --i) {
    arrive();
    wait_for_others();
    if (go_on == 0u) return;
  }
  for (uint step = range[RANGE_FIRST_STEP]; step < last_step; ++step) {
    for (uint at = range[RANGE_FIRST_STAGE]; at < last_stage; ++at) {
      stage_at = at;
      if (idle_stage(step, last_step)) continue;
      run_variant(step);
      wait_for_others();  // those without a tile, too: arrivals are counted for all stages together
      if (arrivals > 0u && go_on == 0u) return;
      arrive();
    }
  }
}
