# SPDX-License-Identifier: MIT
"""Mistakes in what icons begin with and are held to; part of the table of mutants.py."""

BEGIN, HOLD = "BeginMixesSketchAndNoiseAtTheFirstStepOfAnIcon", "HoldKeepsWhatIsNotToBePainted"


def sketches(of, vulkan, fused, cpu):
    """Rows for `of`; the others name tests of an op on an executor."""
    of("shaders/common/solver_rows.glsl",
       ("uint draw_of(SolverRow w, uint row) { return row - w.first + 1u; }",
        "uint draw_of(SolverRow w, uint row) { return row + 1u; }", vulkan("Combine")))
    of("shaders/common/sketch.glsl",
       ("const uint weight = premultiplied != 0u && channel < 3u ? word >> 24 : 255u;",
        "const uint weight = premultiplied != 0u ? word >> 24 : 255u;", vulkan(BEGIN)),
       ("precise float picture = alpha * value;", "precise float picture = value;", vulkan(BEGIN)),
       ("if (row != w.first) return;", "", vulkan(BEGIN)),
       ("share[j] = SKETCH(batch * pixels + at / 4u) >> 8u * (at % 4u) & 255u;",
        "share[j] = SKETCH(batch * pixels + at / 4u) & 255u;", vulkan(HOLD)),
       ("if (w.after_sigma != 0.0) z = normals(icon, 0u, quad);", "if (w.after_sigma != 0.0) z = normals(icon, 1u, quad);",
        vulkan(HOLD)),
       ("const float kept = mix_sketch(value, z[j], w.after_alpha, w.after_sigma);",
        "const float kept = mix_sketch(value, z[j], w.before_alpha, w.before_sigma);", vulkan(HOLD)),
       ("precise float blend = weight * painted + (1.0 - weight) * kept;",
        "precise float blend = weight * kept + (1.0 - weight) * painted;", vulkan(HOLD)))
    for kernel, test in (("begin", BEGIN), ("hold", HOLD)):
        of(f"shaders/plain/{kernel}.comp",
           (f"{kernel}_four(i, p.batch, p.elements, p.pixels, p.premultiplied, p.step);",
            f"{kernel}_four(i, p.batch, p.elements, p.pixels, 0u, p.step);", vulkan(test)))
    of("shaders/fused/picture.glsl",
       ("begin_four(at, P.batch, icon_elements(), S(height) * S(image_width), S(premultiplied), step);",
        "begin_four(at, P.batch, icon_elements(), S(image_width), S(premultiplied), step);", fused(BEGIN)),
       ("hold_four(at, P.batch, icon_elements(), S(height) * S(image_width), S(premultiplied), step);",
        "hold_four(at, P.batch, icon_elements(), S(height) * S(image_width), 0u, step);", fused(HOLD)))
    of("engine/vulkan/compile/emission/stage.cpp", ("s.a = places_.sketches;", "s.a = 0;", fused(BEGIN)))
    of("engine/vulkan/run/ring.cpp",
       ("put_bytes(masks, icon.sketch.mask, 255, pixels);", "put_bytes(masks, icon.sketch.mask, 0, pixels);", vulkan(HOLD)))
    of("engine/network/sketch.cpp",
       ("const std::uint32_t weight = premultiplied && channel < 3 ? pixel[3] : 255u;",
        "const std::uint32_t weight = premultiplied ? pixel[3] : 255u;", cpu(BEGIN)),
       ("return sigma == 0.f ? picture : picture + sigma * z;", "return picture;", cpu(BEGIN)),
       ("if (share == 0u) return kept;", "", cpu(HOLD)),
       ("const std::uint32_t share = mask == nullptr ? 255u : mask[element % pixels];",
        "const std::uint32_t share = mask == nullptr ? 255u : mask[0];", cpu(HOLD)))
    of("engine/cpu/plan_execute.cpp", ("if (row != w.first) continue;", "", cpu(BEGIN)))
    of("engine/network/solver.cpp",
       ("const double t = start + strength * (static_cast<double>(i) / steps);",
        "const double t = start + static_cast<double>(i) / steps;", "Sampler.*"),
       ("row.after_sigma = static_cast<float>(after.sigma);", "row.after_sigma = row.before_sigma;", "Sampler.*"))
    of("engine/session/batch_request.cpp",
       ("const std::uint32_t waiting = rhythm_.steps - table.steps;", "const std::uint32_t waiting = 0;",
        "Executors/Sketches.IconsOfAMixedBatchAreThoseOfBatchesOfTheirOwn/cpu"))
