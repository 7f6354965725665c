// SPDX-License-Identifier: MIT
// source: SPIR-V 1.6; SPV_NV_cooperative_matrix revision 3; SPV_KHR_cooperative_matrix revision 10
#include "shaders/khr/khr_matrices.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "shaders/common/matrix_uses.h"

namespace dit::vulkan {
namespace {

using Words = std::vector<std::uint32_t>;
using Id = std::uint32_t;

constexpr std::uint32_t magic = 0x07230203, header_words = 5, bound_word = 3;
constexpr std::uint32_t capability_nv = 5357, capability_khr = 6022, decoration_spec_id = 1;
constexpr std::string_view extension_nv = "SPV_NV_cooperative_matrix", extension_khr = "SPV_KHR_cooperative_matrix";

enum Op : std::uint32_t {
  op_undef = 1,
  op_extension = 10,
  op_capability = 17,
  op_type_float = 22,
  op_constant_true = 41,
  op_constant_false = 42,
  op_constant = 43,
  op_constant_composite = 44,
  op_constant_null = 46,
  op_spec_constant = 50,
  op_spec_constant_op = 52,
  op_function = 54,
  op_function_parameter = 55,
  op_function_call = 57,
  op_load = 61,
  op_decorate = 71,
  op_composite_construct = 80,
  op_composite_extract = 81,
  op_composite_insert = 82,
  op_copy_object = 83,
  op_f_convert = 115,
  op_f_negate = 127,
  op_f_add = 129,
  op_f_sub = 131,
  op_f_div = 136,
  op_matrix_times_scalar = 143,
  op_select = 169,
  op_phi = 245,
  op_type_matrix_khr = 4456,
  op_load_khr = 4457,
  op_store_khr = 4458,
  op_mul_add_khr = 4459,
  op_length_khr = 4460,
  op_type_matrix_nv = 5358,
  op_load_nv = 5359,
  op_store_nv = 5360,
  op_mul_add_nv = 5361,
  op_length_nv = 5362,
};

/// What makes matrices, means the same in both extensions, and keeps to one type and so to one use.
constexpr std::initializer_list<Op> same_in_both = {
    op_undef,
    op_constant_composite,
    op_constant_null,
    op_function,
    op_function_parameter,
    op_function_call,
    op_load,
    op_composite_construct,
    op_composite_extract,
    op_composite_insert,
    op_copy_object,
    op_f_negate,
    op_f_add,
    op_f_sub,
    op_f_div,
    op_matrix_times_scalar,
    op_phi,
};

std::string name_of(std::uint32_t op) {
  switch (op) {
    case op_spec_constant_op:
      return "OpSpecConstantOp";
    case op_f_convert:
      return "OpFConvert";
    case op_select:
      return "OpSelect";
    case op_type_matrix_nv:
      return "OpTypeCooperativeMatrixNV";
    case op_load_nv:
      return "OpCooperativeMatrixLoadNV";
    case op_store_nv:
      return "OpCooperativeMatrixStoreNV";
    case op_mul_add_nv:
      return "OpCooperativeMatrixMulAddNV";
    case op_length_nv:
      return "OpCooperativeMatrixLengthNV";
    default:
      return "instruction " + std::to_string(op);
  }
}

/// As KHR counts them, and what SPIR-V calls them.
enum Use : std::uint32_t { use_a, use_b, use_accumulator, no_use };
const char* name_of(Use use) {
  constexpr std::array<const char*, no_use + 1> names = {"A", "B", "accumulator", "no matrix"};
  return names[use];
}

Words literal(std::string_view text) {
  Words words(text.size() / 4 + 1);
  for (std::size_t i = 0; i < text.size(); ++i)
    words[i / 4] |= std::uint32_t{static_cast<unsigned char>(text[i])} << i % 4 * 8;
  return words;
}

class Instruction {
 public:
  Instruction(std::span<const std::uint32_t> module, std::size_t begin) : begin_(begin) {
    const std::size_t count = module[begin] >> 16;
    if (count == 0 || count > module.size() - begin) fail("words that the module has", std::to_string(count));
    words_ = module.subspan(begin, count);
  }

  std::uint32_t op() const { return words_[0] & 0xffff; }
  std::span<const std::uint32_t> words() const { return words_; }
  std::uint32_t word(std::size_t i) const {
    if (i >= words_.size()) fail("more than " + std::to_string(i) + " words", std::to_string(words_.size()));
    return words_[i];
  }
  Words words_from(std::size_t i) const {
    return i < words_.size() ? Words(words_.begin() + i, words_.end()) : Words();
  }

  [[noreturn]] void fail(const std::string& expected, const std::string& found) const {
    throw std::runtime_error((words_.empty() ? "SPIR-V" : name_of(op())) + " at word " + std::to_string(begin_) +
                             ": expected " + expected + ", found " + found);
  }

 private:
  std::size_t begin_;
  std::span<const std::uint32_t> words_;
};

class Rewriting {
 public:
  Words of(std::span<const std::uint32_t> module) {
    if (module.size() < header_words || module[0] != magic)
      throw std::runtime_error("expected SPIR-V, found other words");
    result_.assign(module.begin(), module.begin() + header_words);
    for (std::size_t at = header_words; at < module.size();) {
      const Instruction instruction(module, at);
      rewrite(instruction);
      at += instruction.words().size();
    }
    if (use_of_type_.empty()) throw std::runtime_error("expected NV matrices in SPIR-V, found none");
    return std::move(result_);
  }

 private:
  void rewrite(const Instruction& i) {
    switch (i.op()) {
      case op_capability:
        return add(op_capability, {i.word(1) == capability_nv ? capability_khr : i.word(1)});
      case op_extension:
        return add(op_extension, i.words_from(1) == literal(extension_nv) ? literal(extension_khr) : i.words_from(1));
      case op_decorate:
        return rewrite_decoration(i);
      case op_spec_constant:
        return rewrite_scope(i);
      case op_type_matrix_nv:
        return rewrite_type(i);
      case op_load_nv:
        note_result(i);
        return add(op_load_khr, {i.word(1), i.word(2), i.word(3), layout(i, 5), i.word(4)}, i.words_from(6));
      case op_store_nv:
        return add(op_store_khr, {i.word(1), i.word(2), layout(i, 4), i.word(3)}, i.words_from(5));
      case op_mul_add_nv:
        return rewrite_product(i);
      case op_length_nv:
        return add(op_length_khr, i.words_from(1));
      default:
        return keep(i);
    }
  }

  /// A scope's number says the use; it is taken away, so that nobody else's constant is set by it.
  void rewrite_decoration(const Instruction& i) {
    const bool is_number = i.word(2) == decoration_spec_id;
    if (is_number && i.word(3) >= MATRIX_USE_A && i.word(3) < MATRIX_USE_A + no_use)
      use_of_scope_[i.word(1)] = static_cast<Use>(i.word(3) - MATRIX_USE_A);
    else
      keep(i);
  }

  void rewrite_scope(const Instruction& i) {
    if (!use_of_scope_.contains(i.word(2))) return keep(i);
    add(op_constant, i.words_from(1));
    if (scope_ == 0) define_constants(i);
    if (i.word(3) != scope_value_)
      i.fail("one scope for all uses, " + std::to_string(scope_value_), std::to_string(i.word(3)));
  }

  /// Behind the first scope, which serves all types.
  void define_constants(const Instruction& i) {
    scope_ = i.word(2);
    scope_value_ = i.word(3);
    // The uses, and as layouts by row are 0 and by column 1, these too.
    for (std::uint32_t value = 0; value < no_use; ++value) {
      constants_[value] = result_[bound_word]++;
      add(op_constant, {i.word(1), constants_[value], value});
    }
  }

  void rewrite_type(const Instruction& i) {
    const auto use = use_of_scope_.find(i.word(3));
    if (use == use_of_scope_.end() || scope_ == 0)
      i.fail("as scope a specialization constant " + std::to_string(MATRIX_USE_A) + ", " +
                 std::to_string(MATRIX_USE_B) + " or " + std::to_string(MATRIX_USE_ACCUMULATOR),
             "%" + std::to_string(i.word(3)));
    // Products of whole numbers say of each side whether it is signed, which no kernel needs.
    if (!floats_.contains(i.word(2))) i.fail("values of floating point", "%" + std::to_string(i.word(2)));
    use_of_type_[i.word(1)] = use->second;
    add(op_type_matrix_khr, {i.word(1), i.word(2), scope_, i.word(4), i.word(5), constants_[use->second]});
  }

  void rewrite_product(const Instruction& i) {
    note_result(i);
    constexpr std::array<Use, 4> expected = {use_a, use_b, use_accumulator, use_accumulator};
    const std::array<Use, 4> found = {use_of(i.word(3)), use_of(i.word(4)), use_of(i.word(5)), use_of(i.word(2))};
    if (found != expected)
      i.fail("A · B + accumulator = accumulator", std::string(name_of(found[0])) + " · " + name_of(found[1]) + " + " +
                                                      name_of(found[2]) + " = " + name_of(found[3]));
    add(op_mul_add_khr, i.words_from(1));
  }

  void keep(const Instruction& i) {
    if (i.op() == op_type_float) floats_.insert(i.word(1));
    if (i.op() == op_constant_false || i.op() == op_constant_true) by_column_[i.word(2)] = i.op() == op_constant_true;
    if (i.op() == op_spec_constant_op && i.word(3) == op_length_nv)
      i.fail("a constant that KHR matrices have", name_of(op_length_nv));
    // No instruction that makes nothing begins with a type.
    if (i.words().size() > 2 && use_of_type_.contains(i.word(1))) {
      note_result(i);
      if (i.op() == op_f_convert) {
        if (use_of(i.word(3)) != use_of(i.word(2)))
          i.fail(std::string("a matrix for ") + name_of(use_of(i.word(2))), name_of(use_of(i.word(3))));
      } else if (std::find(same_in_both.begin(), same_in_both.end(), i.op()) == same_in_both.end()) {
        i.fail("one that is known to be the same for KHR matrices", "one that makes a matrix");
      }
    }
    result_.insert(result_.end(), i.words().begin(), i.words().end());
  }

  void note_result(const Instruction& i) {
    const auto use = use_of_type_.find(i.word(1));
    if (use == use_of_type_.end()) i.fail("a matrix as its result", "%" + std::to_string(i.word(1)));
    use_of_value_[i.word(2)] = use->second;
  }

  Use use_of(Id value) const {
    const auto found = use_of_value_.find(value);
    return found == use_of_value_.end() ? no_use : found->second;
  }

  Id layout(const Instruction& i, std::size_t operand) const {
    const auto found = by_column_.find(i.word(operand));
    if (found == by_column_.end())
      i.fail("a constant that says whether it is by column", "%" + std::to_string(i.word(operand)));
    return constants_[found->second];
  }

  void add(Op op, const Words& operands, const Words& more = {}) {
    const auto count = static_cast<std::uint32_t>(1 + operands.size() + more.size());
    result_.push_back(count << 16 | op);
    result_.insert(result_.end(), operands.begin(), operands.end());
    result_.insert(result_.end(), more.begin(), more.end());
  }

  Words result_;
  Id scope_ = 0;
  std::uint32_t scope_value_ = 0;
  std::array<Id, no_use> constants_{};  // 0, 1, 2
  std::unordered_map<Id, Use> use_of_scope_, use_of_type_, use_of_value_;
  std::unordered_map<Id, bool> by_column_;
  std::unordered_set<Id> floats_;
};

}  // namespace

std::vector<std::uint32_t> khr_matrices(std::span<const std::uint32_t> words) { return Rewriting().of(words); }

}  // namespace dit::vulkan
