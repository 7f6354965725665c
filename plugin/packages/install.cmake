# SPDX-License-Identifier: MIT
# What is installed is noted in the build tree, a file a prefix, so that the target `uninstall` can take it away again.

# dit_install(...): install(...), whose DESTINATION is noted. Its COMPONENT is the package that it goes into.
function(dit_install)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "DESTINATION;COMPONENT" "")
  if(NOT arg_DESTINATION OR NOT arg_COMPONENT)
    message(FATAL_ERROR "dit_install: expected a DESTINATION and a COMPONENT, found '${ARGV}'")
  endif()
  set_property(GLOBAL APPEND PROPERTY DIT_INSTALL_FOLDERS ${arg_DESTINATION})
  install(${ARGV})
endfunction()

# Before anything is installed: this file is included first. CPack runs the rules of components alone, so not these.
install(CODE "set(DIT_NOTE_INSTALL before)\ninclude(\"${CMAKE_BINARY_DIR}/packages/note_install.cmake\")")
