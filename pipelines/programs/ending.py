# SPDX-License-Identifier: MIT
"""How the Python programs in pipelines/ end: Ctrl+C, SIGTERM and a reader who has gone stop the pipeline, without a word."""
import contextlib
import os
import signal
import sys
import threading

PATIENCE_S = 3
# Until there is an Interruption it ends the program as it ends others, and not with a traceback.
signal.signal(signal.SIGINT, signal.SIG_DFL)


class Interruption:
    """`status` is 0 until SIGINT or SIGTERM comes, then what the program is to end with. Wait for nothing without looking
    at it: a signal is not heeded within a call of GStreamer's. `loop` is told to quit."""

    def __init__(self, loop=None):
        self.status, self.loop = 0, loop
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.note)

    def note(self, number, _):
        if self.status:
            os._exit(self.status)
        self.status = 128 + number
        if self.loop:
            self.loop.quit()
        # An element may wait for another program for as long as it likes.
        ending = threading.Timer(PATIENCE_S, os._exit, (self.status,))
        ending.daemon = True
        ending.start()


@contextlib.contextmanager
def playing(pipeline):
    """Whatever happens within, the pipeline is stopped: GStreamer ends a process that forgets one which plays."""
    from gi.repository import Gst
    pipeline.set_state(Gst.State.PLAYING)
    try:
        yield
    finally:
        pipeline.set_state(Gst.State.NULL)


def run(main, *arguments):
    """The program: what it prints is UTF-8, and has arrived or the program fails. `main` may return an exit status."""
    if sys.stdout is None:
        sys.exit(f"{os.path.basename(sys.argv[0])}: standard output is closed")
    sys.stdout.reconfigure(encoding="utf-8")
    try:
        status = main(*arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        status = 128 + signal.SIGPIPE
    except OSError as error:
        print(f"{os.path.basename(sys.argv[0])}: {error}", file=sys.stderr)
        status = 1
    if status:
        # What is left to print cannot be.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(status)
