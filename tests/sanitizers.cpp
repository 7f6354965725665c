// SPDX-License-Identifier: MIT
// Part of dit_tests in sanitizer builds only.

// Drivers and layers that are unloaded before the leak check take their names and their globals with them: what those
// point to looks lost, and cannot be told from a leak of ours. So nothing is unloaded.
extern "C" __attribute__((visibility("default"))) int dlclose(void*) { return 0; }

// Debian 12's validation layer (1.3.239) loses its records of shader modules. Vulkan objects of ours that outlive
// their device are another matter: the layer names them in a message, which fails the test.
extern "C" __attribute__((visibility("default"))) const char* __lsan_default_suppressions() {
  return "leak:libVkLayer_khronos_validation.so\n";
}
