#!/usr/bin/env bash
# Writes requirements.lock: what a clean resolve of the package with its dev extras installs today.
# torch is named first, so that the resolve neither takes a newer one nor a CUDA build.
set -euo pipefail
cd "$(dirname "$0")/.."

TORCH=2.13.0
TORCH_CPU_INDEX=https://download.pytorch.org/whl/cpu

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3.11 -m venv "$scratch/venv"
pip=("$scratch/venv/bin/python" -m pip --disable-pip-version-check)
"${pip[@]}" install --quiet "torch==$TORCH+cpu" 2>/dev/null ||
    "${pip[@]}" install --quiet --index-url "$TORCH_CPU_INDEX" "torch==$TORCH+cpu"
"${pip[@]}" install --quiet ".[dev]"
{
    echo "# Made by \`make lock\`: a clean resolve of .[dev] on Python 3.11."
    "${pip[@]}" freeze --exclude mcu-nas | sed 's/+cpu$//'
} >"$scratch/requirements.lock"
mv "$scratch/requirements.lock" requirements.lock
