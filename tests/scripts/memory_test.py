# SPDX-License-Identifier: MIT
"""The peak of resident memory of an icon on the CPU, from opening the model to the picture: at most 2.5 times the file."""
import os
import resource
import subprocess
import tempfile

from support.places import DIT, ICONS, SOURCE, environment

LIMIT = 2.5


def peak_bytes(command, cwd):
    """Peak of a child's resident memory; the largest child so far, so the caller asks for the largest last."""
    subprocess.run([str(part) for part in command], cwd=cwd, env=environment(cwd), check=True,
                   stdout=subprocess.DEVNULL, timeout=120)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


def main():
    models = sorted((SOURCE / "models").glob("*.safetensors"), key=os.path.getsize)
    assert ICONS in models, f"expected {ICONS} among {models}"
    with tempfile.TemporaryDirectory() as scratch:
        for model in models:
            for batch in (1, 4):
                size = model.stat().st_size
                peak = peak_bytes([DIT, "generate", "--model", model, "--device", "cpu", "--count", batch,
                                   "--batch-size", batch, "--seed", 1, "-o", "icon-%d.png"], scratch)
                print(f"{model.name}, batch {batch}: peak {peak / 1e6:.1f} MB, {peak / size:.2f} of {size / 1e6:.1f} MB")
                assert peak <= LIMIT * size, f"{model.name}: expected at most {LIMIT} times the file"


if __name__ == "__main__":
    main()
