# SPDX-License-Identifier: MIT
"""Those of the Vulkan kernels that only networks with a prompt in attention or a convolutional head run."""
from filters import lanes, vulkan


def part_kernels(of):
    of("shaders/plain/head_norm.comp",
       ("for (uint d = 0u; d < p.head_dim; ++d) x_values[first + d] *= factor * weight[d];",
        "for (uint d = 0u; d < p.head_dim; ++d) x_values[first + d] *= factor;", vulkan("HeadNorm")),
       ("const uint first = i / p.heads * p.columns + i % p.heads * p.head_dim;",
        "const uint first = i * p.head_dim;", vulkan("HeadNorm")))
    of("shaders/plain/conv.comp",
       ("const uint channel = k / 9u, y = row.at.x + k % 9u / 3u, x = row.at.y + k % 3u;",
        "const uint channel = k / 9u, y = row.at.x + k % 3u, x = row.at.y + k % 9u / 3u;", vulkan("Conv")),
       ("if (y >= p.height || x >= p.width) return 0.0;", "if (y >= p.height) return 0.0;", vulkan("Conv")),
       ("return Row(uvec4(row / p.width - 1u, row % p.width - 1u, image * p.channels, image % p.batch * beside), vec2(0.0));",
        "return Row(uvec4(row / p.width - 1u, row % p.width - 1u, image * p.channels, 0u), vec2(0.0));", vulkan("Conv")),
       ("y_values[at] = p.residual != 0u ? x_values[at] + value : value;", "y_values[at] = value;", vulkan("Conv")),
       ("value = activated(value, p.activation);", "", vulkan("Conv")))
    of("shaders/fused/context.glsl",
       ("return key < behind ? key < S(tokens) : key - behind < PROMPT_KEYS;", "return key < S(tokens) || key >= behind;",
        lanes("AttentionToAPrompt")),
       ("return modulation_row[step * P.rows + batch_row] % S(height) * PROMPT_FRAGMENTS;",
        "return batch_row % S(height) * PROMPT_FRAGMENTS;", lanes("AttentionToAPrompt")))
    head = lanes("HeadsInOneStage")
    of("shaders/fused/matrix/head.glsl",
       ("return inside ? v : uvec2(0u);", "return v;", head),
       ("const uvec2 at = corner + uvec2(pixel % line, pixel / line) - LAYERS;",
        "const uvec2 at = corner + uvec2(pixel % line, pixel / line) - LAYERS + 1u;", head),
       ("const uint icon = batch_row % (S(guided) != 0u ? P.rows / 2u : P.rows);", "const uint icon = 0u;", head),
       ("if (layer > 0u) v += unpacked(floatBitsToUint(old));", "", head),
       ("return uintBitsToFloat(packed(inside ? v : vec4(0.0)));", "return uintBitsToFloat(packed(v));", head),
       ("uint hidden_place(uint layer) { return layer % 2u == 0u ? 0u : ODD_PLACE; }",
        "uint hidden_place(uint layer) { return 0u; }", head),
       ("const uint start = FIRST_WEIGHTS + (layer - 1u) * 9u * HIDDEN * HIDDEN;", "const uint start = FIRST_WEIGHTS;", head),
       ("const uint at = (P.bias + layer * HIDDEN * 64u) * 2u + column_of(column_fragment, 0u) / 2u;",
        "const uint at = P.bias * 2u + column_of(column_fragment, 0u) / 2u;", head),
       ("halves[h] = uvec2(picture_word(at), picture_word(at + 4u));", "halves[h] = uvec2(picture_word(at));", head),
       ("barrier();", "", head, {"next": "EACH_FRAGMENTS(0u, S(down), {"}))
