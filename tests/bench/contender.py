# SPDX-License-Identifier: MIT
"""One of several programs that are timed in turn."""
import subprocess


class Contender:
    """A process that paints a batch of icons for each line that it is sent."""

    def __init__(self, name, command, cwd):
        self.name, self.wall, self.processor = name, [], []
        self.process = subprocess.Popen([str(part) for part in command], cwd=cwd, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline().strip() != "ready":
            raise SystemExit(f"bench: {name} did not start: {' '.join(map(str, command))}")

    def paint(self):
        """Seconds that a batch took."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        wall, processor = map(float, self.process.stdout.readline().split())
        self.wall.append(wall * 1e-9)
        self.processor.append(processor * 1e-9)
        return wall * 1e-9

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)
