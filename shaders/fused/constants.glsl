// SPDX-License-Identifier: MIT
// A stage as specialization constants, so that every size, choice and bound is known when the pipeline is compiled.
// Those of VARIANT are S(name); a variant that the host gives none is of no kind.
#define OF_VARIANT(name) OF_VARIANT_2(name, VARIANT)
#define OF_VARIANT_2(name, variant) OF_VARIANT_3(name, variant)
#define OF_VARIANT_3(name, variant) name##_of_##variant
#define CONSTANT_ID(word) layout(constant_id = STAGE_CONSTANTS + VARIANT_CONSTANTS * VARIANT + word)
#define CONSTANT(word, name) CONSTANT_ID(word) const uint OF_VARIANT(c_##name) = NO_PLACE;
#define SIZE(word, name) CONSTANT_ID(word) const uint OF_VARIANT(c_##name) = 1u;
#define S(name) OF_VARIANT(c_##name)
