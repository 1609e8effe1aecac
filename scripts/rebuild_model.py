"""Makes a network of models/ again, from the commands in its card, and says whether it became the same.

    .venv/bin/python scripts/rebuild_model.py models/NAME

A search that was cut off goes on where it stood.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path


def main(folder: Path) -> None:
    """Runs the commands of the card, one after another, in the folder that this script was called in."""
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    before = card["model"]["sha256"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    for line in map(resumed, card["rebuild"]):
        print(f"+ {line}", flush=True)
        done = subprocess.run(shlex.split(line), env={**os.environ, "PATH": path}, check=False)
        if done.returncode:
            sys.exit(done.returncode)
    after = hashlib.sha256((folder / "model.tflite").read_bytes()).hexdigest()
    print(f"{folder}/model.tflite: {'the same bytes as' if after == before else 'OTHER BYTES than'} before")


def resumed(line: str) -> str:
    """The command itself, or the one that continues its run where that has begun."""
    words = shlex.split(line)
    if words[1] != "search":
        return line
    run = words[words.index("--run") + 1]
    return shlex.join([*words[:2], "--resume", "--run", run]) if Path(run, "run.json").exists() else line


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1], "card.json").is_file():
        sys.exit("usage: rebuild_model.py models/NAME, a folder with a card.json")
    main(Path(sys.argv[1]))
