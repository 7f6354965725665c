// SPDX-License-Identifier: MIT
// KHR matrices made of NV's: awkward kernels come out with the uses that they declare, and what has no meaning is
// named.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>

#include "engine/vulkan/device/sources/shader_compiler.h"
#include "shaders/khr/khr_matrices.h"
#include "tests/engine/support/shader_copy.h"

namespace dit::test {
namespace {

using Words = std::vector<std::uint32_t>;

// Of SPIR-V's own numbers.
constexpr std::uint32_t op_capability = 17, op_constant = 43, op_spec_constant = 50, op_decorate = 71;
constexpr std::uint32_t type_khr = 4456, load_khr = 4457, store_khr = 4458, mul_add_khr = 4459;
constexpr std::uint32_t type_nv = 5358, length_nv = 5362, matrices_nv = 5357, matrices_khr = 6022;

/// What a test wants to know of a module.
struct Module {
  explicit Module(const Words& words) {
    for (std::size_t at = 5; at < words.size(); at += words[at] >> 16) {
      const std::uint32_t op = words[at] & 0xffff;
      const auto word = [&](std::size_t i) { return words.at(at + i); };
      ++count[op];
      if (op == op_capability) capabilities.insert(word(1));
      if (op == op_constant) value[word(2)] = word(3);
      if (op == type_khr) types[word(1)] = {word(3), word(6)};
      if (op == load_khr) layouts.emplace_back(value.at(word(4)), value.at(word(5)));
      if (op == store_khr) layouts.emplace_back(value.at(word(3)), value.at(word(4)));
      if (op == mul_add_khr) products.push_back({use(word(3)), use(word(4)), use(word(5)), use_of_type(word(1))});
      if (op != type_khr && words[at] >> 16 > 2 && types.contains(word(1))) of_type[word(2)] = word(1);
    }
  }
  std::uint32_t use(std::uint32_t id) const { return use_of_type(of_type.at(id)); }
  std::uint32_t use_of_type(std::uint32_t id) const { return value.at(types.at(id).second); }

  std::map<std::uint32_t, std::size_t> count;  // of each instruction
  std::set<std::uint32_t> capabilities;
  std::map<std::uint32_t, std::uint32_t> value, of_type;
  std::map<std::uint32_t, std::pair<std::uint32_t, std::uint32_t>> types;  // scope and use
  std::vector<std::pair<std::uint32_t, std::uint32_t>> layouts;            // and strides
  std::vector<std::array<std::uint32_t, 4>> products;
};

class KhrMatrices : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string problem = shader_compiler_problem(); !problem.empty()) GTEST_SKIP() << problem;
  }
  /// A kernel that reads floats `a`, quads `quads`, and writes `b`.
  Words compile(const std::string& main, const std::string& before, bool optimised, bool khr = true) const {
    std::ofstream(copy_.path("awkward.comp"))
        << "#version 450\n#extension GL_GOOGLE_include_directive : require\n"
           "#include \"shaders/fused/matrix/extension.glsl\"\n"
           "layout(local_size_x = 32) in;\nlayout(constant_id = 7) const uint SIZE = 2;\n"
           "layout(binding = 0) readonly buffer A { float a[]; };\nlayout(binding = 1) buffer B { float b[]; };\n"
           "layout(binding = 2) readonly buffer Q { uvec4 quads[]; };\n"
        << before << "void main() {\n  Lhs l; Rhs r; Accumulator s = Accumulator(0.0);\n"
        << "  LOAD_BY_ROW(l, quads, 0, 2u);\n  LOAD_BY_ROW(r, quads, 32, 2u);\n"
        << main << "\n  STORE_ACCUMULATOR(s, b, 0);\n}\n";
    const vulkan::ShaderCompiler compiler(copy_.folder());
    std::vector<vulkan::SourceFile> files;
    return compiler.compile({"awkward.comp", "MATRIX_KHR", optimised, khr}, files);
  }
  std::string error_of(const std::string& main, const std::string& before = "") const {
    try {
      compile(main, before, false);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  ShaderCopy copy_{"awkward-shaders"};
};

struct Awkward {
  const char *main, *before = "";
  bool arithmetic = false;  ///< of which the optimiser of Debian 12's compiler dies, of NV's own matrices too
};
constexpr Awkward kernels[] = {
    {"s = MULTIPLY_ADD(l, r, s);"},
    {"for (uint i = 0u; i < uint(a[0]); ++i) s = MULTIPLY_ADD(l, r, s);"},
    {"Lhs ls[SIZE]; Rhs rs[2]; Accumulator ss[SIZE];\n"
     "for (uint i = 0u; i < SIZE; ++i) { ls[i] = l; ss[i] = s; rs[i & 1u] = r; }\n"
     "for (uint i = 0u; i < SIZE; ++i) ss[i] = MULTIPLY_ADD(ls[i], rs[i & 1u], ss[i]);\n s = ss[SIZE - 1u];"},
    {"Both both; both.lhs = l; both.rhs[1] = r; s = MULTIPLY_ADD(both.lhs, both.rhs[1], s);\n"
     "both.rhs[0] = r; Both other = both; if (a[0] > 1.0) other.lhs = l;\n"
     "s = MULTIPLY_ADD(other.lhs, other.rhs[0], s);",
     "struct Both { Lhs lhs; Rhs rhs[2]; };\n"},
    {"multiply(l, r, s); s = twice(s);",
     "void multiply(Lhs x, const in Rhs y, inout Accumulator z) { z = MULTIPLY_ADD(x, y, z); }\n"
     "Accumulator twice(Accumulator z) { return z + z; }\n",
     true},
    {"kept = l; s = MULTIPLY_ADD(kept, r, s);", "Lhs kept;\n"},
    {"Accumulator t = Accumulator(a[3]); if (a[0] > a[1]) t = s; s = MULTIPLY_ADD(l, r, t);"},
    {"Lhs never; if (a[0] > 0.0) never = l; s = MULTIPLY_ADD(never, r, s);"},
    {"s = MULTIPLY_ADD(l, r, s); s = -s; s = s + s; s = s - Accumulator(1.0); s = s / s; s = s * 2.0;", "", true},
    {"Lhs one = Lhs(float16_t(1.0)); Rhs two = Rhs(float16_t(a[5]));\n"
     "[[unroll]] for (uint i = 0u; i < 8u; ++i) { one[i] = float16_t(a[i]); two[i] += one[7u - i]; }\n"
     "s = MULTIPLY_ADD(one, two, s); b[999] = s[uint(a[0])];",
     "#extension GL_EXT_control_flow_attributes : require\n"},
    {"Halves h = Halves(MULTIPLY_ADD(l, r, s)); s = Accumulator(h);",
     "#define Halves fcoopmatNV<16, SCOPE_OF_ACCUMULATOR, 16, 16>\n"},
    {"switch (uint(a[0])) { case 1: l = Lhs(float16_t(2.0)); break; case 2: s = Accumulator(2.0); default: r = -r; }\n"
     "s = MULTIPLY_ADD(l, r, s);",
     "", true},
};

TEST_F(KhrMatrices, HaveTheUsesThatWereDeclared) {
  for (const Awkward& kernel : kernels) {
    for (const bool optimised : {false, true}) {
      if (optimised && kernel.arithmetic) continue;
      SCOPED_TRACE(kernel.main);
      const Words words = compile(kernel.main, kernel.before, optimised);
      const Module module(words);
      EXPECT_TRUE(module.capabilities.contains(matrices_khr));
      EXPECT_FALSE(module.capabilities.contains(matrices_nv));
      for (std::uint32_t op = type_nv; op <= length_nv; ++op) EXPECT_FALSE(module.count.contains(op)) << op;
      ASSERT_FALSE(module.products.empty());
      for (const auto& product : module.products) EXPECT_EQ(product, (std::array<std::uint32_t, 4>{0, 1, 2, 2}));
      std::set<std::uint32_t> uses;
      for (const auto& [type, scope_and_use] : module.types) {
        constexpr std::uint32_t subgroup = 3;
        EXPECT_EQ(module.value.at(scope_and_use.first), subgroup);
        uses.insert(module.value.at(scope_and_use.second));
      }
      EXPECT_EQ(uses, (std::set<std::uint32_t>{0, 1, 2}));
    }
  }
}

TEST_F(KhrMatrices, AreTheModuleTheyWereMadeOfElsewhere) {
  for (const Awkward& kernel : kernels) {
    SCOPED_TRACE(kernel.main);
    const Words nv = compile(kernel.main, kernel.before, false, false);
    const Words khr = vulkan::khr_matrices(nv);
    auto expected = Module(nv).count, found = Module(khr).count;
    for (std::uint32_t op = type_nv; op <= length_nv; ++op) {
      EXPECT_EQ(found[op - type_nv + type_khr], expected[op]) << op;
      found.erase(op - type_nv + type_khr);
      expected.erase(op);
    }
    // Three scopes are constants that nobody sets, and three uses are said.
    found[op_constant] -= 6;
    found[op_spec_constant] += 3;
    found[op_decorate] += 3;
    EXPECT_EQ(found, expected);
  }
}

TEST_F(KhrMatrices, LieInMemoryAsTheyDid) {
  const Words words = compile(
      "coopMatLoadNV(r, a, 5, 48u, true); s = MULTIPLY_ADD(l, r, s); coopMatStoreNV(s, b, 9, 80u, true);", "", false);
  EXPECT_EQ(Module(words).layouts,
            (std::vector<std::pair<std::uint32_t, std::uint32_t>>{{0, 2}, {0, 2}, {1, 48}, {1, 80}, {0, 16}}));
}

TEST_F(KhrMatrices, WithoutMeaningAreNamed) {
  const std::string product = "OpCooperativeMatrixMulAddNV at word ";
  const struct {
    std::string main, before, begin, end;
  } mistakes[] = {
      {"s = MULTIPLY_ADD(l, l, s);", "", product,
       "expected A · B + accumulator = accumulator, found A · A + accumulator = accumulator"},
      {"s = MULTIPLY_ADD(r, l, s);", "", product, "found B · A + accumulator = accumulator"},
      {"Lhs x = MULTIPLY_ADD(l, r, l);", "", product, "found A · B + A = A"},
      {"l = Lhs(s);", "", "OpFConvert at word ", "expected a matrix for A, found accumulator"},
      {"s = a[0] > 1.0 ? s : Accumulator(1.0);", "", "OpSelect at word ",
       "expected one that is known to be the same for KHR matrices, found one that makes a matrix"},
      {"Plain m = Plain(1.0);", "#define Plain fcoopmatNV<32, gl_ScopeSubgroup, 16, 16>\n",
       "OpTypeCooperativeMatrixNV at word ", "as scope a specialization constant 2000, 2001 or 2002, found %"},
      {"Whole m = Whole(1);",
       "#extension GL_NV_integer_cooperative_matrix : require\n"
       "#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require\n"
       "#define Whole icoopmatNV<32, SCOPE_OF_ACCUMULATOR, 16, 16>\n",
       "OpTypeCooperativeMatrixNV at word ", "expected values of floating point, found %"},
      {"b[0] = float(l.length());", "", "OpSpecConstantOp at word ",
       "expected a constant that KHR matrices have, found OpCooperativeMatrixLengthNV"},
      {"coopMatLoadNV(l, a, 0, 16u, SWAPPED);", "layout(constant_id = 8) const bool SWAPPED = false;\n",
       "OpCooperativeMatrixLoadNV at word ", "expected a constant that says whether it is by column, found %"},
  };
  const std::string file = copy_.path("awkward.comp").string() + ": error: ";
  for (const auto& mistake : mistakes) {
    const std::string text = error_of(mistake.main, mistake.before);
    EXPECT_TRUE(text.starts_with(file + mistake.begin)) << mistake.main << ": " << text;
    EXPECT_NE(text.find(mistake.end), std::string::npos) << mistake.main << ": " << text;
  }
  // The compiler itself keeps uses apart.
  for (const char* main : {"r = l;", "s = l;", "Lhs x[2]; x[1] = r;"}) {
    EXPECT_NE(error_of(main).find("cannot convert"), std::string::npos) << error_of(main);
  }
  copy_.edit("fused/matrix/extension.glsl", "SCOPE_OF_RHS = gl_ScopeSubgroup", "SCOPE_OF_RHS = gl_ScopeWorkgroup");
  EXPECT_NE(error_of("").find("expected one scope for all uses, 3, found 2"), std::string::npos) << error_of("");
}

std::string error_of_words(const Words& words) {
  try {
    vulkan::khr_matrices(words);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "no error";
}

TEST_F(KhrMatrices, OfWordsThatAreNoModuleAreRefused) {
  EXPECT_EQ(error_of_words({}), "expected SPIR-V, found other words");
  EXPECT_EQ(error_of_words(Words(40, 0x03022307)), "expected SPIR-V, found other words");
  const Words good = compile("s = MULTIPLY_ADD(l, r, s);", "", false, false);
  ASSERT_EQ(error_of_words(good), "no error");
  EXPECT_EQ(error_of_words({good.begin(), good.begin() + 5}), "expected NV matrices in SPIR-V, found none");
  Words broken = good;
  broken.back() = 7u << 16 | 56;
  EXPECT_EQ(error_of_words(broken),
            fmt::format("SPIR-V at word {}: expected words that the module has, found 7", good.size() - 1));
  broken.back() = 56;
  EXPECT_EQ(error_of_words(broken),
            fmt::format("SPIR-V at word {}: expected words that the module has, found 0", good.size() - 1));
  // Any word may be any other: an error, or a module, and nothing read beyond it.
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (const std::uint32_t other :
         {0u, 1u, 0xffffffffu, 1u << 16 | type_nv, 2u << 16 | mul_add_khr, good[i] ^ 1u, good[i] ^ 1u << 16}) {
      broken = good;
      broken[i] = other;
      error_of_words(broken);
    }
  }
}

}  // namespace
}  // namespace dit::test
