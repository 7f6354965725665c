# SPDX-License-Identifier: MIT
"""A library that stands before libc and refuses what some machine refuses: file systems and disks that are not at hand."""
import os
import subprocess

# $SHIM_REFUSES names one of O_TMPFILE, linkat, fsync, syncfs; $SHIM_LOG is a file that gets a line for each sync.
SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static int refuses(const char* what) { const char* set = getenv("SHIM_REFUSES"); return set && !strcmp(set, what); }
int openat(int folder, const char* name, int flags, ...) {
  va_list more;
  va_start(more, flags);
  int mode = va_arg(more, int);
  va_end(more);
  if ((flags & O_TMPFILE) == O_TMPFILE && refuses("O_TMPFILE")) { errno = EOPNOTSUPP; return -1; }
  return ((int (*)(int, const char*, int, ...))dlsym(RTLD_NEXT, "openat"))(folder, name, flags, mode);
}
int linkat(int a, const char* from, int b, const char* to, int flags) {
  if (refuses("linkat")) { errno = ENOENT; return -1; }
  return ((int (*)(int, const char*, int, const char*, int))dlsym(RTLD_NEXT, "linkat"))(a, from, b, to, flags);
}
static int sync_of(const char* what, const char* line, int file) {
  const char* path = getenv("SHIM_LOG");
  int log = path ? open(path, O_WRONLY | O_APPEND | O_CREAT, 0600) : -1;
  if (log >= 0) {
    if (write(log, line, strlen(line)) < 0) abort();
    close(log);
  }
  if (refuses(what)) { errno = EIO; return -1; }
  return ((int (*)(int))dlsym(RTLD_NEXT, what))(file);
}
int fsync(int file) { return sync_of("fsync", "fsync\n", file); }
int syncfs(int file) { return sync_of("syncfs", "syncfs\n", file); }
"""


def build(case, folder):
    """Builds it in a folder; without a C compiler the test case is skipped. Returns environment(refused)."""
    (folder / "shim.c").write_text(SOURCE)
    built = subprocess.run([os.environ.get("DIT_CXX", "c++"), "-x", "c", "-shared", "-fPIC", "-o", "shim.so", "shim.c", "-ldl"],
                           cwd=folder, capture_output=True, text=True)
    if built.returncode != 0:
        case.skipTest(f"no C compiler: {built.stderr[-200:]}")
    return lambda refused="": {"LD_PRELOAD": str(folder / "shim.so"), "SHIM_REFUSES": refused}
