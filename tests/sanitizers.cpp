// SPDX-License-Identifier: MIT
// Part of dit_tests in sanitizer builds only.
#include <dlfcn.h>

#include <cstddef>
#include <iterator>

// Drivers and layers that are unloaded before the leak check take their names and their globals with them: what those
// point to looks lost, and cannot be told from a leak of ours. So nothing is unloaded.
extern "C" __attribute__((visibility("default"))) int dlclose(void*) noexcept { return 0; }

// Debian 12's validation layer (1.3.239) loses its records of shader modules, and llvmpipe (22.3) points to what it
// compiled from memory that is not looked through, so a device that is kept for ever seems to lose it. Vulkan objects
// of ours that outlive their device are another matter: the layer names them in a message, which fails the test.
extern "C" __attribute__((visibility("default"))) const char* __lsan_default_suppressions() {
  return "leak:libVkLayer_khronos_validation.so\nleak:libvulkan_lvp.so\n";
}

#ifdef __SANITIZE_ADDRESS__
// GLib keeps the names of its quarks in a block that its constructor makes, of 2048 pointers, and drops that block on
// purpose when a program has more names: another thread may be reading it. LeakSanitizer would see a leak of 16 KiB
// whose stack ends in nothing but GLib's constructor. So whatever a library's constructor makes of exactly that size is
// held here, where it can be found.
namespace {

constexpr std::size_t quark_block_bytes = 2048 * sizeof(char*);
const volatile void* kept[8];
std::size_t kept_count = 0;
/// The constructors of libraries run before this program's.
bool own_constructors = false;
[[maybe_unused]] const bool begun = own_constructors = true;

}  // namespace

extern "C" __attribute__((visibility("default"))) void __sanitizer_malloc_hook(const volatile void* block,
                                                                               std::size_t bytes) {
  if (own_constructors || bytes != quark_block_bytes || kept_count == std::size(kept)) return;
  kept[kept_count++] = block;
}
#endif

#ifdef __SANITIZE_THREAD__
// GLib's locks are futexes of its own, which ThreadSanitizer does not know: without help every field that a GMutex
// guards would look unguarded. These stand before GLib's for all libraries, ours and GStreamer's, and say what the
// locks order. The calls that GLib makes to itself go past them, hence g_cond_wait here too.
#include <glib.h>
#include <sanitizer/tsan_interface.h>

#define EXPORTED extern "C" __attribute__((visibility("default")))

// GLib's and GStreamer's atomics, of reference counts above all, were not built for ThreadSanitizer either: the last
// unref would look like a race with every earlier use. So a free or a strcmp that one of their functions calls is no
// witness; what our own code touches is.
EXPORTED const char* __tsan_default_options() { return "ignore_noninstrumented_modules=1"; }

namespace {

template <typename Function>
Function* real(const char* name, Function*) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

// NAME(lock): takes or gives back `lock`.
#define DIT_ACQUIRES(NAME, TYPE)                      \
  EXPORTED void NAME(TYPE* lock) {                    \
    static auto* const original = real(#NAME, &NAME); \
    original(lock);                                   \
    __tsan_acquire(lock);                             \
  }
#define DIT_TRIES(NAME, TYPE)                         \
  EXPORTED gboolean NAME(TYPE* lock) {                \
    static auto* const original = real(#NAME, &NAME); \
    const gboolean taken = original(lock);            \
    if (taken) __tsan_acquire(lock);                  \
    return taken;                                     \
  }
#define DIT_RELEASES(NAME, TYPE)                      \
  EXPORTED void NAME(TYPE* lock) {                    \
    static auto* const original = real(#NAME, &NAME); \
    __tsan_release(lock);                             \
    original(lock);                                   \
  }

DIT_ACQUIRES(g_mutex_lock, GMutex)
DIT_TRIES(g_mutex_trylock, GMutex)
DIT_RELEASES(g_mutex_unlock, GMutex)
DIT_ACQUIRES(g_rec_mutex_lock, GRecMutex)
DIT_TRIES(g_rec_mutex_trylock, GRecMutex)
DIT_RELEASES(g_rec_mutex_unlock, GRecMutex)
DIT_ACQUIRES(g_rw_lock_writer_lock, GRWLock)
DIT_RELEASES(g_rw_lock_writer_unlock, GRWLock)
DIT_ACQUIRES(g_rw_lock_reader_lock, GRWLock)
DIT_RELEASES(g_rw_lock_reader_unlock, GRWLock)

EXPORTED void g_cond_wait(GCond* cond, GMutex* mutex) {
  static auto* const original = real("g_cond_wait", &g_cond_wait);
  __tsan_release(mutex);
  original(cond, mutex);
  __tsan_acquire(mutex);
}

EXPORTED gboolean g_cond_wait_until(GCond* cond, GMutex* mutex, gint64 end_time) {
  static auto* const original = real("g_cond_wait_until", &g_cond_wait_until);
  __tsan_release(mutex);
  const gboolean signalled = original(cond, mutex, end_time);
  __tsan_acquire(mutex);
  return signalled;
}
#endif
