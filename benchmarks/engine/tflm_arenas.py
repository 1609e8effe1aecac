"""What TensorFlow Lite Micro's arena takes for the benchmark's models, asked of its own interpreter.

    python -m benchmarks.engine.tflm_arenas     # writes tflm_arenas.json, which run.py's table shows

Its recording allocator prints two parts. The head is activations as its greedy planner lays them out: the
figure to compare with our arena. The tail is its structures, which are larger on this 64-bit computer than
on a microcontroller, and is left out, as is the scratch memory of CMSIS-NN's kernels, which this build lacks:
what a microcontroller needs is more than the head, never less.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.engine.models import models
from mcu_nas.tflite.writer import serialize_tflite

ARENAS = Path(__file__).with_name("tflm_arenas.json")
# Runs by itself: the allocator prints to standard error, past Python.
_PRINT_ALLOCATIONS = """
import sys
from tflite_micro.python.tflite_micro import runtime
interpreter = runtime.Interpreter.from_file(sys.argv[1], arena_size=64 << 20)
interpreter.print_allocations()
"""


def main() -> None:
    """Writes the head's bytes of each model."""
    heads = {model.name: head_bytes(serialize_tflite(model.graph())) for model in models()}
    ARENAS.write_text(json.dumps(heads, indent=1) + "\n", encoding="utf-8")
    for name, count in heads.items():
        print(f"{name}: {count:,} B")


def read_arenas() -> dict[str, int]:
    """Bytes of the head, by model, as main wrote them."""
    heads: dict[str, int] = json.loads(ARENAS.read_text(encoding="utf-8"))
    return heads


def head_bytes(tflite: bytes) -> int:
    """Bytes of activations in the interpreter's arena."""
    with tempfile.NamedTemporaryFile(suffix=".tflite") as file:
        file.write(tflite)
        file.flush()
        command = [sys.executable, "-c", _PRINT_ALLOCATIONS, file.name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    match = re.search(r"Arena allocation head (\d+) bytes", done.stdout + done.stderr)
    if match is None:
        raise RuntimeError(f"tflite-micro prints no head: {done.stderr[-200:]}")
    return int(match[1])


if __name__ == "__main__":
    main()
