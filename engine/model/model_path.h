// SPDX-License-Identifier: MIT
// Which weight file to open when the user names none: one order for the element and the command line.
#pragma once

#include <filesystem>
#include <initializer_list>
#include <string>

namespace dit {

/// `given` if it is not empty; else $DIT_MODEL; else the first icons.safetensors among `places`, folders relative to
/// `binary_folder`, so that an installation or a build tree can be moved as a whole.
/// errors  throws Error{not_found} naming every place looked at; what the user gave is returned unchecked
std::filesystem::path find_model(const std::string& given, const std::filesystem::path& binary_folder,
                                 std::initializer_list<const char*> places);

/// The first lexicon.bin among the places that find_model() looks at; empty if there is none.
std::filesystem::path find_lexicon(const std::filesystem::path& binary_folder,
                                   std::initializer_list<const char*> places);

}  // namespace dit
