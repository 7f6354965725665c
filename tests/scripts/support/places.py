# SPDX-License-Identifier: MIT
"""Where the tree and the build under test are, and how to run a command there. Shared by the script tests."""
import os
import pathlib
import re
import signal
import subprocess
import time

SOURCE = pathlib.Path(os.environ.get("DIT_SOURCE", pathlib.Path(__file__).resolve().parents[3]))
BUILD = pathlib.Path(os.environ.get("DIT_BUILD", SOURCE / "build"))
DIT = BUILD / "dit"
if not DIT.exists():
    raise SystemExit(f"{DIT} is not there: build first, or set DIT_BUILD to the build tree")
TINY = SOURCE / "tests/golden/tiny.safetensors"
ICONS = SOURCE / "models/icons.safetensors"


def environment(scratch, **more):
    """The environment of a test's commands: this build's plugin, a registry of the test's own."""
    env = dict(os.environ, DIT_BUILD=str(BUILD), GST_PLUGIN_PATH=str(BUILD / "plugin"),
               DIT_CACHE=os.environ.get("DIT_CACHE", str(BUILD / "cache")),
               GST_REGISTRY=str(pathlib.Path(scratch) / "registry.bin"), LC_ALL="C.UTF-8")
    for name in ("DIT_MODEL", "DIT_LEXICON", "LANGUAGE"):
        env.pop(name, None)
    env.update(more)
    return env


def run(command, cwd, timeout=120, **more):
    """Runs a command (a list) in `cwd`; returns its CompletedProcess with text output. On a time-out all of it ends."""
    command = [str(part) for part in command]
    with subprocess.Popen(command, cwd=cwd, env=environment(cwd, **more), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            output, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def wait_until_caught(process, number, then_s=0.5, limit_s=60):
    """Until the process has a handler for the signal, and a moment longer: its work has begun. Over if it has ended."""
    end, caught = time.monotonic() + limit_s, 0
    while not caught >> (number - 1) & 1 and process.poll() is None:
        assert time.monotonic() < end, f"no handler of signal {number} within {limit_s} s"
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
        caught = int(re.search(r"SigCgt:\s+(\w+)", status)[1], 16)
        time.sleep(0.02)
    time.sleep(then_s)


def source_files():
    """Every file that git tracks or would track; in a tree without git, every file outside the build trees."""
    listed = subprocess.run(["git", "-C", str(SOURCE), "ls-files", "-co", "--exclude-standard"], capture_output=True,
                            text=True)
    if listed.returncode == 0:
        names = [SOURCE / name for name in listed.stdout.splitlines()]
    else:
        names = [p for p in SOURCE.rglob("*") if not any(part in ("build", "__pycache__") or part.startswith(".") and
                 part != ".ci" for part in p.relative_to(SOURCE).parts[:-1])]
    return sorted(p for p in names if p.is_file())
