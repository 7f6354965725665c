# SPDX-License-Identifier: MIT
# cmake -DBINARY=… -DARRAY=… -P embed.cmake: words of SPIR-V as what initialises a C array.
file(READ ${BINARY} words HEX)
string(REGEX REPLACE "(..)(..)(..)(..)" "0x\\4\\3\\2\\1,\n" words "${words}")
file(WRITE ${ARRAY} "{\n${words}}\n")
