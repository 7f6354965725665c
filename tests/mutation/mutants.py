# SPDX-License-Identifier: MIT
"""Mistakes to make on purpose: one line of a kernel changed, and the tests that must notice. run.py makes them."""
from typing import NamedTuple

from cpu_mutants import cpu_kernels
from filters import NETWORK_BLOCK, NETWORK_CPU, cpu, fused, lanes, on, vulkan
from khr_mutants import khr
from part_mutants import part_kernels
from sketch_mutants import sketches


class Mutant(NamedTuple):
    file: str
    line: str  # as in the file, but for the spaces around it
    to: str  # what stands there instead; empty: nothing
    tests: str  # a gtest filter, quick
    previous: str = ""  # where the line is not the only one of its kind: the one above
    next: str = ""  # or below


def table():
    """All mutants, those of a file together."""
    all = []

    def of(file, *rows):
        all.extend(Mutant(file, *row[:3], **(row[3] if len(row) > 3 else {})) for row in rows)

    plain_kernels(of)
    product_kernels(of)
    fused_kernels(of)
    matrix_kernels(of)
    part_kernels(of)
    cpu_kernels(of)
    host(of)
    sketches(of, vulkan, fused, cpu)
    khr(of)
    return all


def plain_kernels(of):
    of("shaders/plain/attention.comp",
       ("row_shrink[invocation] = NORM ? p.scale / sqrt(squares / float(HEAD_DIM) + p.norm_eps) : p.scale;",
        "row_shrink[invocation] = NORM ? p.scale / sqrt(squares / float(HEAD_DIM) + p.norm_eps) : 1.0;", vulkan("Attention")),
       ("barrier();", "", vulkan("Attention"), {"previous": "for (uint key0 = 0u; key0 < all_keys(); key0 += KEYS) {"}),
       ("barrier();", "", vulkan("Attention"), {"next": "make_key_factors(key0);"}),
       ("barrier();", "", vulkan("Attention"), {"next": "stage_keys_or_values(key0, 2u);"}),
       ("row_shrink[invocation] = exp(before - after);", "row_shrink[invocation] = exp(after - before);", vulkan("Attention")),
       ("row_total[invocation] = row_total[invocation] * row_shrink[invocation] + sum.x + sum.y + sum.z + sum.w;",
        "row_total[invocation] = row_total[invocation] + sum.x + sum.y + sum.z + sum.w;", vulkan("Attention")),
       ("scores[s] = exp(scores[s] - row_max[s / KEY_QUADS]);", "scores[s] = exp(scores[s]);",
        vulkan("AttentionWithHugeScores")),
       ("score[j] = key0 + key < all_keys() ? score[j] * key_factor[key] : LOWEST;", "score[j] *= key_factor[key];",
        vulkan("Attention")),
       ("4u * (quad) + 3u < HEAD_DIM ? values[(start) + 4u * (quad) + 3u] : 0.0))",
        "values[(start) + 4u * (quad) + 3u]))", vulkan("Attention")),
       ("if (NORM) factor *= weights_of(quad, true);", "", vulkan("Attention")),
       ("kv_tile[invocation * PITCH + quad] = k * weights_of(quad, true);", "", vulkan("AttentionWithPrompts")),
       ("return (((condition * p.context_keys + key) * 2u + part - 1u) * p.heads + gl_WorkGroupID.y) * HEAD_DIM;",
        "return ((condition * p.context_keys + key) * 2u * p.heads + gl_WorkGroupID.y) * HEAD_DIM;",
        vulkan("AttentionWithPrompts")),
       ("const uint condition = modulation_row[p.step * gl_NumWorkGroups.z + gl_WorkGroupID.z] % p.conditions;",
        "const uint condition = gl_WorkGroupID.z % p.conditions;", vulkan("AttentionWithPrompts")),
       ("return (((gl_WorkGroupID.z * p.tokens + token) * 3u + part) * p.heads + gl_WorkGroupID.y) * HEAD_DIM;",
        "return (((gl_WorkGroupID.z * p.tokens + token) * p.heads + gl_WorkGroupID.y) * 3u + part) * HEAD_DIM;",
        vulkan("Attention")))
    of("shaders/plain/combine.comp",
       ("solve_four(i, p.batch, p.elements, p.guided, p.step);", "solve_four(i, p.batch, p.elements, 0u, p.step);",
        vulkan("Combine")))
    of("shaders/common/solver.glsl",
       ("#define KEPT(back) HISTORY(KEPT_AT(step - back, all, at))", "#define KEPT(back) HISTORY(KEPT_AT(step + back, all, at))",
        vulkan("Combine")),
       ("if (w.c != 0.0) z = normals(icon, draw_of(w, row), quad);", "if (w.c != 0.0) z = normals(icon, row, quad);",
        vulkan("Combine")),
       ("ADD_TERM(e, 1.0 - w.guidance, PREDICTION(all + at))", "ADD_TERM(e, 1.0 - w.guidance, PREDICTION(elements + at))",
        vulkan("Combine")),
       ("const uint row = solver_row[step * batch + icon];", "const uint row = solver_row[step + icon];", vulkan("Combine")))
    of("shaders/plain/norm_stats.comp",
       ("barrier();", "", vulkan("ModulatedLinearOfEveryNorm"),
        {"previous": "if (invocation < stride) partial[invocation] += partial[invocation + stride];"}),
       ("const float variance = workgroup_sum(sum) / float(p.width - p.unbiased);",
        "const float variance = workgroup_sum(sum) / float(p.width);", vulkan("ModulatedLinearOfEveryNorm")),
       ("const float deviation = p.eps_outside != 0u ? sqrt(variance) + p.eps : sqrt(variance + p.eps);",
        "const float deviation = p.eps_outside == 0u ? sqrt(variance) + p.eps : sqrt(variance + p.eps);",
        vulkan("ModulatedLinearOfConstantRows")),
       ("for (uint i = gl_LocalInvocationIndex; i < p.width; i += 64u) sum += x_values[first + i];",
        "for (uint i = gl_LocalInvocationIndex; i + 1u < p.width; i += 64u) sum += x_values[first + i];",
        vulkan("ModulatedLinearOfEveryNorm")))
    of("shaders/plain/overlap_add.comp",
       ("return uvec2(at >= reach ? (at - reach) / p.patch_size + 1u : 0u, min(count, (at + border) / p.patch_size + 1u));",
        "return uvec2(at >= reach ? (at - reach) / p.patch_size + 1u : 0u, min(count, (at + border) / p.patch_size));",
        vulkan("FinalOfOverlappingWindows")),
       ("const uint line = y + border - gy * p.patch_size, column = x + border - gx * p.patch_size;",
        "const uint line = x + border - gx * p.patch_size, column = y + border - gy * p.patch_size;",
        vulkan("FinalOfOverlappingWindows")))
    of("shaders/plain/to_rgba.comp",
       ("const uint at = i / p.pixels * p.channels * p.pixels + i % p.pixels;",
        "const uint at = i / p.pixels * 3u * p.pixels + i % p.pixels;", vulkan("ToRgba")))
    of("shaders/common/picture.glsl",
       ("return byte_of(colour.r, round_down) | byte_of(colour.g, round_down) << 8 | byte_of(colour.b, round_down) << 16 |",
        "return byte_of(colour.b, round_down) | byte_of(colour.g, round_down) << 8 | byte_of(colour.r, round_down) << 16 |",
        vulkan("ToRgba")),
       ("uint byte_of(float v, uint round_down) { return uint(floor(v * 255.0 + (round_down != 0u ? 0.0 : 0.5))); }",
        "uint byte_of(float v, uint round_down) { return uint(floor(v * 255.0 + 0.5)); }", vulkan("ToRgbaRoundedDown")),
       ("colour = alpha == 0u ? vec3(0.0) : min(colour, vec3(a)) / a;",
        "colour = alpha == 0u ? vec3(0.0) : min(colour, vec3(a));", vulkan("ToRgba")))
    of("shaders/common/noise.glsl",
       ("for (uint turn = 0u; turn < 10u; ++turn) {", "for (uint turn = 0u; turn < 9u; ++turn) {",
        vulkan("NoiseStartsOnlyIconsAtTheirFirstStep")),
       ("const uvec4 words = philox4x32(uvec4(quad, draw, key.z, key.w), key.xy);",
        "const uvec4 words = philox4x32(uvec4(draw, quad, key.z, key.w), key.xy);",
        vulkan("NoiseStartsOnlyIconsAtTheirFirstStep")),
       ("precise vec4 part = weight * normal;", "precise vec4 part = other * normal;",
        vulkan("NoiseBetweenTwoIconsIsTheirBlend")))
    of("shaders/plain/noise.comp",
       ("if (icon >= p.batch || solver_row[p.step * p.batch + icon] != 0u) return;", "if (icon >= p.batch) return;",
        vulkan("NoiseStartsOnlyIconsAtTheirFirstStep")))


def product_kernels(of):
    of("shaders/plain/gemm.glsl",
       ("barrier();", "", vulkan("ModulatedLinear"), {"previous": "if (k0 > 0u) {"}),
       ("barrier();", "", vulkan("ModulatedLinear"), {"previous": "}"}),
       ("for (uint k0 = 0u; k0 < p.inputs + 4u * DEPTH; k0 += 4u * DEPTH) {",
        "for (uint k0 = 0u; k0 < p.inputs; k0 += 4u * DEPTH) {", vulkan("Linear")),
       ("const bool inside = own_k < p.inputs;", "const bool inside = own_k + 1u < p.inputs;", vulkan("Linear")),
       ("rows[s] = row_of(min(row0 + y + 8u * s, p.rows - 1u));", "rows[s] = row_of(min(row0 + y, p.rows - 1u));",
        vulkan("ModulatedLinear")),
       ("columns[s] = min(column0 + y + 8u * s, p.outputs - 1u) * p.inputs;",
        "columns[s] = min(column0 + y + 8u * s, p.outputs - 1u) * p.outputs;", vulkan("Linear")),
       ("const uint row0 = gl_WorkGroupID.y * TILE, column0 = gl_WorkGroupID.x * TILE;",
        "const uint row0 = gl_WorkGroupID.x * TILE, column0 = gl_WorkGroupID.y * TILE;", vulkan("ModulatedLinear")),
       ("if (row < p.rows && column < p.outputs) store(row, column, sum[i][j]);",
        "if (row < p.rows) store(row, column, sum[i][j]);", vulkan("Linear")),
       ("return unpackHalf2x16(weight_words[p.outputs * p.inputs / IN_A_WORD + group / 2u])[group & 1u];",
        "return unpackHalf2x16(weight_words[p.outputs * p.inputs / IN_A_WORD + group / 2u])[0];",
        on("vulkan", "QuantisedOps.Linear")),
       ("bitfieldExtract(word, 2 * bits, bits), bitfieldExtract(word, 3 * bits, bits));",
        "bitfieldExtract(word, 3 * bits, bits), bitfieldExtract(word, 2 * bits, bits));",
        on("vulkan", "QuantisedOps.Linear")))
    of("shaders/plain/modulated.glsl",
       ("return n * (1.0 + table[row.at.y + k]) + table[row.at.z + k];",
        "return n * table[row.at.y + k] + table[row.at.z + k];", vulkan("ModulatedLinear")),
       ("const uint first_column = modulation_row[p.step * p.batch_rows + row / p.tokens] * p.columns;",
        "const uint first_column = modulation_row[p.step * p.batch_rows] * p.columns;", vulkan("ModulatedLinear")),
       ("const vec4 n = (x_quads[(row.at.x + k) >> 2] - row.statistics.x) * row.statistics.y;",
        "const vec4 n = x_quads[(row.at.x + k) >> 2] * row.statistics.y;", on("vulkan", "QuantisedOps.ModulatedLinear")))
    of("shaders/plain/rows.glsl",
       ("Row row_of(uint row) { return Row(uvec4(row * p.inputs), vec2(0.0)); }",
        "Row row_of(uint row) { return Row(uvec4(row * p.outputs), vec2(0.0)); }", vulkan("Linear")))
    of("shaders/plain/linear.comp",
       ("if (p.has_bias != 0u) value += bias[column];", "", vulkan("Linear")))
    of("shaders/plain/modulated_linear.comp",
       ("if (p.has_bias != 0u) value += bias[column];", "", vulkan("ModulatedLinear")))
    of("shaders/plain/gated_linear_add.comp",
       ("residual[row * p.outputs + column] += gate * value;", "residual[row * p.outputs + column] += value;",
        vulkan("GatedLinearAdd")),
       ("const uint table_row = modulation_row[p.step * p.batch_rows + row / p.tokens];",
        "const uint table_row = modulation_row[row / p.tokens];", vulkan("GatedLinearAdd")))
    of("shaders/plain/embed.comp",
       ("const uint y = row.at.y + at / size, x = row.at.z + at % size;",
        "const uint y = row.at.y + at % size, x = row.at.z + at / size;", vulkan("Embed")),
       ("if (p.has_bias != 0u) value += bias[column];", "", vulkan("Embed")),
       ("y_values[row * p.outputs + column] = value + position((row % p.tokens) * p.outputs + column);",
        "y_values[row * p.outputs + column] = value + position(column);", vulkan("Embed")),
       ("const uint border = OVERLAP ? (p.window_size - p.patch_size) / 2u : 0u;", "const uint border = 0u;",
        vulkan("EmbedOfOverlappingWindows")))
    of("shaders/plain/final.comp",
       ("const uint line = (token / across) * p.patch_size + (column % area) / p.patch_size;",
        "const uint line = (token / across) * p.patch_size + column % p.patch_size;", vulkan("Final")))
    of("shaders/common/activation.glsl",
       ("return v * (p * x + 0.5);", "return v * (p * u + 0.5);", lanes("NormAndProduct")),
       ("if (activation == 1u) return v / (1.0 + exp(min(-v, 80.0)));",
        "if (activation == 1u) return v / (1.0 + exp(min(v, 80.0)));", vulkan("ModulatedLinear")),
       ("const float t = 1.0 / (0.3275911 * abs(x) + 1.0);", "const float t = 1.0 / (0.32759 * abs(x) + 1.0);",
        vulkan("ErfIsWithinAMillionthOfTheTrueFunction")))


def fused_kernels(of):
    of("shaders/fused/portable/fragments.glsl",
       ("const uint to = at + own_row() * 16u + own_column() * 4u;",
        "const uint to = at + own_row() * 16u + own_column() * 2u;", NETWORK_BLOCK),
       ("rhs[j] = fragment_four(r.memory, r.at, r.pitch, own_column() * 4u + j, k);",
        "rhs[j] = fragment_four(r.memory, r.at, r.pitch, own_column() + j * 4u, k);", NETWORK_BLOCK))
    of("shaders/fused/places.glsl",
       ("const uint line = token / across * patch_size + feature % area / patch_size;",
        "const uint line = token / across * patch_size + feature % patch_size;", NETWORK_BLOCK),
       ("const uint icon = batch_row % (S(guided) != 0u ? P.rows / 2u : P.rows);", "const uint icon = 0u;", lanes("Convolution")))
    of("shaders/fused/portable/tables.glsl",
       ("if (at + i < width) v[i] = arena_floats[from + i];", "if (at + i < width) v[i] = arena_floats[from];",
        fused("ModulatedLinearOfConstantRows")))
    of("shaders/fused/portable/lhs.glsl",
       ("const vec4 d = within(x[i] - mean, 2u * (member + i / 2u * team) + i % 2u, width);", "const vec4 d = x[i] - mean;",
        NETWORK_BLOCK))
    of("shaders/fused/portable/attention.glsl",
       ("barrier();", "", fused("Attention"), {"previous": "sums[parts + local_index()] = highest;"}),
       ("p[i / 4u][i % 4u] = real_key(t) ? exp(score - highest) : 0.0;", "p[i / 4u][i % 4u] = exp(score - highest);",
        fused("Attention")),
       ("stage_queries(fragment_row, head0, P.history);", "stage_queries(fragment_row, head0, P.qk_weight);",
        fused("AttentionWithPrompts")),
       ("if (!is_key || row < S(token_fragments) * 16u)", "", fused("AttentionWithPrompts")),
       ("high *= weight_floats[column + 1u];", "high *= weight_floats[column];", fused("Attention")))
    of("shaders/fused/picture.glsl",
       ("if (column_fragment >= S(turned_from)) at = at.yx;", "", lanes("WholeStepsWithAPromptThatEndInAHead")),
       ("const uint first = row_fragment / S(token_fragments) * S(tokens), head = column_fragment / head_fragments;",
        "const uint first = 0u, head = column_fragment / head_fragments;", lanes("WholeStepsWithAPromptThatEndInAHead")),
       ("rgba_words[i] = rgba_word(vec4(PICTURE(at), PICTURE(at + pixels), PICTURE(at + 2u * pixels), alpha),",
        "rgba_words[i] = rgba_word(vec4(PICTURE(at), PICTURE(at + pixels), PICTURE(at + pixels), alpha),", fused("ToRgba")))
    of("shaders/fused/formulas.glsl",
       ("#define HISTORY(at) arena_floats[P.history * 4u + (at)]", "#define HISTORY(at) arena_floats[P.history * 4u]",
        fused("Combine")))
    of("shaders/fused/overlap.glsl",
       ("sum += rows.x + down < rows.y && columns.x + across < columns.y ? v : 0.0;", "sum += v;",
        fused("FinalOfOverlappingWindows")),
       ("const uint line = y + border - gy * patch_size, column = x + border - gx * patch_size;",
        "const uint line = x + border - gx * patch_size, column = y + border - gy * patch_size;",
        fused("FinalOfOverlappingWindows")),
       ("const float z = row.c != 0.0 ? normals(batch_row, draw_of(row, row_at), element / 4u)[element % 4u] : 0.0;",
        "const float z = row.c != 0.0 ? normals(batch_row, row_at, element / 4u)[element % 4u] : 0.0;",
        on("vulkan_block_f32", "WholeSteps.EndLikeThoseOfTheCpu")))
    tiles = "Portable/Tiles.ThroughSharedMemoryMultiplyRight/other_discrete"
    of("shaders/fused/portable/product.glsl",
       ("uint rhs_to(uint i) { return ROWS * CHUNK_LINE + chunk_to(i, chunk_row() % 4u * 4u + chunk_row() / 4u); }",
        "uint rhs_to(uint i) { return ROWS * CHUNK_LINE + chunk_to(i, chunk_row()); }", tiles),
       ("const uint row = min(t.first_row + at.x, P.row_fragments - 1u);", "const uint row = t.first_row;", tiles),
       ("v += vec4(sums[at], sums[at + 1u], sums[at + 2u], sums[at + 3u]);",
        "v += vec4(sums[at], sums[at + 1u], sums[at + 1u], sums[at + 3u]);", NETWORK_BLOCK),
       ("arena_floats[P.y * 4u + at] = old + activated(v[i], S(activation));",
        "arena_floats[P.y * 4u + at] = activated(v[i], S(activation));", fused("Conv")),
       ("if (w.c != 0.0) z = normals(batch_row, draw_of(w, solver_at), pixel / 4u);",
        "if (w.c != 0.0) z = normals(batch_row, solver_at, pixel / 4u);", on("vulkan_block_f32", "WholeSteps.EndLikeThoseOfTheCpu")))


def matrix_kernels(of):
    of("shaders/common/half.glsl",
       ("vec4 unpacked(uvec2 v) { return vec4(unpackHalf2x16(v.x), unpackHalf2x16(v.y)); }",
        "vec4 unpacked(uvec2 v) { return vec4(unpackHalf2x16(v.x), unpackHalf2x16(v.x)); }", lanes("Attention")))
    of("shaders/fused/matrix/fragments.glsl",
       ("return (row / 16u * column_fragments + column / 16u) * 256u + from + c / 8u * 2u + c % 2u;",
        "return (row / 16u * column_fragments + column / 16u) * 256u + from + c / 8u * 2u;",
        lanes("EmbedAndFinal")),
       ("return v + of_invocation(v, invocation() ^ 2u);", "return v;", lanes("NormAndProduct")),
       ("uvec4 as_rhs(uvec4 quad) { return quad.xzyw; }", "uvec4 as_rhs(uvec4 quad) { return quad; }", lanes("Attention")))
    of("shaders/fused/matrix/lhs.glsl",
       ("between_subgroups += (even_columns() ? 1.0 : values_of_subgroup(w)) * apart * apart;", "between_subgroups += vec2(0.0);",
        lanes("NormAndProduct")),
       ("if (invocation() % 4u == 0u) statistics[subgroup() * 8u + own_row()] = vec4(mean, squares);",
        "if (invocation() % 4u == 0u) statistics[subgroup() * 8u + own_row()] = vec4(mean.xx, squares);", lanes("NormAndProduct")),
       ("return pixel.y < S(height) && pixel.x < S(image_width) ? v : vec2(0.0);", "return v;", lanes("EmbedAndFinal")))
    of("shaders/fused/matrix/attention.glsl",
       ("if (KEYS_END_WITHIN && !real_key(column_of(key, i))) h.upper[i] = h.lower[i] = -3.0e38;",
        "if (KEYS_END_WITHIN && !real_key(column_of(key, 0u))) h.upper[i] = h.lower[i] = -3.0e38;", lanes("Attention")),
       ("const uint row = prompt_at + key - S(token_fragments);", "const uint row = prompt_at;", lanes("AttentionToAPrompt")),
       ("h.lower *= of_prompt ? vec4(1.0) : of_column;", "h.lower *= of_column;", lanes("AttentionToAPrompt")),
       ("quad_of(Fragment(upper_of(queries[b]) * weights, lower_of(queries[b]) * weights));",
        "quad_of(Fragment(upper_of(queries[b]), lower_of(queries[b])));", lanes("AttentionToAPrompt")),
       ("likely_share = 1.0 / vec2(row_sum(sum.x), row_sum(sum.y));",
        "likely_share = 1.0 / vec2(row_sum(sum.x), row_sum(sum.x));",
        lanes("Attention")),
       ("const uint from = own_column() * 4u;", "const uint from = own_column() * 2u;", lanes("Attention")))
    of("shaders/fused/matrix/product.glsl",
       ("h.lower += exchange[at + 32u];", "h.lower += exchange[at];", lanes("NormAndProduct")))
    of("shaders/fused/matrix/epilogue.glsl",
       ("const float old = S(store) == STORE_MAP_ADD ? arena_floats[P.image * 4u + at] : 0.0;", "const float old = 0.0;",
        lanes("Convolution")),
       ("if (at < S(tokens)) arena_pairs[to] = packed(i == 0u ? h.upper : h.lower);",
        "if (at < S(tokens)) arena_pairs[to] = packed(h.upper);", lanes("HeadsInOneStage")),
       ("arena_floats4[in_rows(p) + 32u] = h.lower;", "arena_floats4[in_rows(p) + 32u] = h.upper;",
        lanes("GatedProduct")),
       ("const uint at = all % SUBGROUPS == 0u ? nth : min(nth, all - 1u), place = at % places, of_subgroup = at / places;",
        "const uint at = nth, place = 0u, of_subgroup = at;", lanes("NormAndProduct")))
    of("shaders/fused/matrix/rows.glsl",
       ("if (k < S(depth_fragments)) exchange[LHS_FOURS + k * FRAGMENT + invocation()] = uintBitsToFloat(lhs_fragments[u]);",
        "if (k < S(depth_fragments)) exchange[LHS_FOURS + k / 2u * FRAGMENT + invocation()] = uintBitsToFloat(lhs_fragments[u]);",
        lanes("WholeStepsWhoseRowsAreNormedAsTheyLeave")),
       ("modulation_start = table_row(fragment / S(token_fragments), step);", "modulation_start = table_row(0u, step);",
        lanes("WholeStepsWhoseRowsAreNormedAsTheyLeave")),
       ("arena_quads[P.normed + (fragment * S(column_fragments) + first + j) * FRAGMENT + invocation()] = lhs_fragments[j];",
        "arena_quads[P.normed + (first + j) * FRAGMENT + invocation()] = lhs_fragments[j];",
        lanes("WholeStepsWhoseRowsAreNormedAsTheyLeave")))
    of("shaders/fused/matrix/tables.glsl",
       ("if (column_of(fragment, i) < width) v[i] = arena_floats[from + column_of(fragment, i) - column];",
        "if (column_of(fragment, i) < width) v[i] = arena_floats[from + i];", lanes("NormAndProduct")))


def host(of):
    of("engine/vulkan/compile/fuse.cpp",
       ("const bool solved = target_.joins_ops() && combine && combine->prediction == o.y && !program_.shape.guided &&",
        "const bool solved = target_.joins_ops() && combine && combine->prediction == o.y &&",
        "Fuse.TheSolverFollowsThePredictionAtOnceWithoutGuidance"))
    of("engine/vulkan/compile/layout.cpp",
       ("if (group.lhs_in_scratch) scratch.lhs = std::max(scratch.lhs, room(product, product.depth.columns));", "",
        "Layout.ScratchIsKeptOnlyForGroupsThatUseIt"))
    of("engine/vulkan/compile/tiles/tile_shape.h",
       ("return p.row_fragments % rows() == 0 && p.column_fragments % columns() == 0;",
        "return p.row_fragments % rows() == 0;", "Tile.KernelsAreToldThatTilesCoverTheProductOnlyWhereTheyDo"))
    of("engine/vulkan/compile/tile.cpp",
       ("t.by_column = target_.fusion != Fusion::persistent && t.tiles_across >= 8 &&",
        "t.by_column = t.tiles_across >= 8 ||", "Tile.AreNumberedByColumnWhereTheResultIsTooLargeForTheCache"))
    of("engine/vulkan/compile/emit.cpp",
       ("if (known != keys.end()) continue;", "", "Emit.PersistentStagesThatDifferOnlyInPlacesShareAVariant"))
    of("engine/network/noise.cpp",
       ("key[1] += 0xBB67AE85u;", "key[1] += 0xBB67AE84u;", "Noise.*"),
       ("if (i == 0 || element % 4 == 0) {", "if (element % 4 == 0) {", "Noise.*"),
       ("(n % 2 ? sine : cosine) += n % 4 < 2 ? power : -power;", "(n % 2 ? sine : cosine) += power;", "Noise.*"),
       ("c[3] = static_cast<float>(2 * (z_low - z_high) + slope_low + slope_high);",
        "c[3] = static_cast<float>(2 * (z_low - z_high) + slope_low);", "Noise.*"))
    of("engine/network/conditioning.cpp",
       ("std::ranges::copy(embed(\"word_embed.weight\", label.words[i], context_word_), row.begin());",
        "std::ranges::copy(embed(\"word_embed.weight\", label.words[0], context_word_), row.begin());",
        "Prompts.*"),
       ("for (std::size_t j = 0; j < width; ++j) row[j] += context_position_[i * width + j];", "", "Prompts.*"),
       ("features[half + k] = static_cast<float>(std::cos(angle));", "features[half + k] = static_cast<float>(std::sin(angle));",
        NETWORK_CPU),
       ("const float scale = 1.0f / std::sqrt(static_cast<float>(std::max<std::size_t>(1, label.words.size())));",
        "const float scale = 1.0f / static_cast<float>(std::max<std::size_t>(1, label.words.size()));", NETWORK_CPU),
       ("const double intervals = c.time_inclusive ? half - 1 : half;", "const double intervals = half;",
        "Diffusor.ConditionOfEveryTimeIsTheLastLayersOutput:*Diffusor.EveryStageOfOnePassMatches/cpu"))
    of("engine/session/batch_request.cpp",
       ("if (shape_.guided) conditioning_.context(conditioning_.null_label(), std::span(request_.context).last(size));", "",
        on("cpu", "PromptSessions.GuidanceZeroGivesThePictureOfNoPrompt")))
    of("engine/network/solver.cpp",
       ("row.c = static_cast<float>(std::sqrt(whole ? variance : variance * variance_to / variance_from));",
        "row.c = static_cast<float>(std::sqrt(whole ? variance * variance_to / variance_from : variance));",
        "Sampler.*:*Diffusor.ThirtyTwoDdpmStepsMatchThePage/cpu"),
       ("b[1] -= whole / (2 * r0);", "b[1] += whole / (2 * r0);", "Sampler.*"),
       ("b[2] -= along_far * far;", "b[2] += along_far * far;", "Sampler.*"),
       ("{23 / 12.0, -16 / 12.0, 5 / 12.0, 0},", "{23 / 12.0, -16 / 12.0, -5 / 12.0, 0},", "Sampler.*"),
       ("grid.push_back({t, {t, 1 - t}});", "grid.push_back({t, {1 - t, t}});", "Sampler.*"))
    of("engine/network/dit.cpp",
       ("const op::Modulation attention = modulation(table, 0), mlp = modulation(table, block_chunks() / 2);",
        "const op::Modulation attention = modulation(table, 0), mlp = modulation(table, 0);", NETWORK_CPU),
       (".scale = (chunk + 1) * c_.dim,", ".scale = chunk * c_.dim,", NETWORK_CPU))
    of("engine/model/quantised.cpp",
       ("to[2 * i + 1] = static_cast<std::int8_t>(((byte >> 4) ^ 8) - 8);",
        "to[2 * i + 1] = static_cast<std::int8_t>(byte >> 4);", "Quantised.*"),
       ("to[i + half_group] = static_cast<std::int8_t>((byte >> 4) - 8);",
        "to[i + half_group] = static_cast<std::int8_t>((byte >> 4) - 7);", "Quantised.*"))
