# SPDX-License-Identifier: MIT
"""Those of what makes KHR matrices of NV's."""


def khr(of):
    of("shaders/khr/khr_matrices.cpp",
       ("return add(op_load_khr, {i.word(1), i.word(2), i.word(3), layout(i, 5), i.word(4)}, i.words_from(6));",
        "return add(op_load_khr, {i.word(1), i.word(2), i.word(3), i.word(4), layout(i, 5)}, i.words_from(6));",
        "KhrMatrices.LieInMemoryAsTheyDid"),
       ("return constants_[found->second];", "return constants_[0];", "KhrMatrices.LieInMemoryAsTheyDid"),
       ("use_of_scope_[i.word(1)] = static_cast<Use>(i.word(3) - MATRIX_USE_A);", "use_of_scope_[i.word(1)] = use_a;",
        "KhrMatrices.HaveTheUsesThatWereDeclared"),
       ("add(op_constant, i.words_from(1));", "add(op_spec_constant, i.words_from(1));",
        "KhrMatrices.AreTheModuleTheyWereMadeOfElsewhere"),
       ("if (found != expected)", "if (false)", "KhrMatrices.WithoutMeaningAreNamed"),
       ("if (use_of(i.word(3)) != use_of(i.word(2)))", "if (false)", "KhrMatrices.WithoutMeaningAreNamed"),
       ("if (!floats_.contains(i.word(2))) i.fail(\"values of floating point\", \"%\" + std::to_string(i.word(2)));", "",
        "KhrMatrices.WithoutMeaningAreNamed"),
       ("if (i.word(3) != scope_value_)", "if (false)", "KhrMatrices.WithoutMeaningAreNamed"),
       ("if (count == 0 || count > module.size() - begin) fail(\"words that the module has\", std::to_string(count));",
        "if (count == 0) fail(\"words that the module has\", std::to_string(count));",
        "KhrMatrices.OfWordsThatAreNoModuleAreRefused"))
