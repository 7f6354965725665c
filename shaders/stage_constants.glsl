// SPDX-License-Identifier: MIT
// A stage as specialization constants: word i of Stage is constant STAGE_CONSTANTS + i, so that every size, choice and
// bound is known when the pipeline is compiled. Places come as push constants, since layers differ in nothing else.
layout(constant_id = 16) const uint C0 = 0;
layout(constant_id = 17) const uint C1 = 0;
layout(constant_id = 18) const uint C2 = 0;
layout(constant_id = 19) const uint C3 = 0;
layout(constant_id = 20) const uint C4 = 0;
layout(constant_id = 21) const uint C5 = 0;
layout(constant_id = 22) const uint C6 = 0;
layout(constant_id = 23) const uint C7 = 0;
layout(constant_id = 24) const uint C8 = 0;
layout(constant_id = 25) const uint C9 = 0;
layout(constant_id = 26) const uint C10 = 0;
layout(constant_id = 27) const uint C11 = 0;
layout(constant_id = 28) const uint C12 = 0;
layout(constant_id = 29) const uint C13 = 0;
layout(constant_id = 30) const uint C14 = 0;
layout(constant_id = 31) const uint C15 = 0;
layout(constant_id = 32) const uint C16 = 0;
layout(constant_id = 33) const uint C17 = 0;
layout(constant_id = 34) const uint C18 = 0;
layout(constant_id = 35) const uint C19 = 0;
layout(constant_id = 36) const uint C20 = 0;
layout(constant_id = 37) const uint C21 = 0;
layout(constant_id = 38) const uint C22 = 0;
layout(constant_id = 39) const uint C23 = 0;
layout(constant_id = 40) const uint C24 = 0;
layout(constant_id = 41) const uint C25 = 0;
layout(constant_id = 42) const uint C26 = 0;
layout(constant_id = 43) const uint C27 = 0;
layout(constant_id = 44) const uint C28 = 0;
layout(constant_id = 45) const uint C29 = 0;
layout(constant_id = 46) const uint C30 = 0;
layout(constant_id = 47) const uint C31 = 0;
layout(constant_id = 48) const uint C32 = 0;
layout(constant_id = 49) const uint C33 = 0;
layout(constant_id = 50) const uint C34 = 0;
layout(constant_id = 51) const uint C35 = 0;
layout(constant_id = 52) const uint C36 = 0;
layout(constant_id = 53) const uint C37 = 0;
layout(constant_id = 54) const uint C38 = 0;
layout(constant_id = 55) const uint C39 = 0;
layout(constant_id = 56) const uint C40 = 0;
layout(constant_id = 57) const uint C41 = 0;
layout(constant_id = 58) const uint C42 = 0;
layout(constant_id = 59) const uint C43 = 0;
layout(constant_id = 60) const uint C44 = 0;
layout(constant_id = 61) const uint C45 = 0;
layout(constant_id = 62) const uint C46 = 0;
layout(constant_id = 63) const uint C47 = 0;
layout(constant_id = 64) const uint C48 = 0;
layout(constant_id = 65) const uint C49 = 0;
layout(constant_id = 66) const uint C50 = 0;
layout(constant_id = 67) const uint C51 = 0;

uint place_of(uint constant, uint pushed) { return constant == NO_PLACE ? NO_PLACE : pushed; }

Stage specialised_stage(StagePush p) {
  Stage s = Stage(C0, C1, C2, C3, C4, C5, C6, C7, C8, C9, C10, C11, C12,
          C13, C14, C15, C16, C17, C18, C19, C20, C21, C22, C23, C24, C25,
          C26, C27, C28, C29, C30, C31, C32, C33, C34, C35, C36, C37, C38,
          C39, C40, C41, C42, C43, C44, C45, C46, C47, C48, C49, C50, C51);
  s.tiles = p.tiles;
  s.row_blocks = p.row_blocks;
  s.rows = p.rows;
  s.batch = p.batch;
  s.a = p.a;
  s.y = p.y;
  s.weight = p.weight;
  s.bias = place_of(s.bias, p.bias);
  s.position = p.position;
  s.qk_weight = place_of(s.qk_weight, p.qk_weight);
  s.table = p.table;
  s.shift = p.shift;
  s.scale = p.scale;
  s.gate = place_of(s.gate, p.gate);
  s.image = p.image;
  s.history = p.history;
  return s;
}
