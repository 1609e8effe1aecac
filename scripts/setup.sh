#!/usr/bin/env bash
# Makes .venv from requirements.lock with the package installed editable, and installs the Debian packages
# that are missing where that is allowed. Run through make, which calls it only when an input has changed.
set -euo pipefail
cd "$(dirname "$0")/.."

TORCH_CPU_INDEX=https://download.pytorch.org/whl/cpu

# The first command that runs Python 3.11 (a shim of a version manager may be there and not run).
find_python() {
    local candidate
    for candidate in python3.11 /usr/bin/python3.11 python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
}

# The Debian packages whose tools are not here, whoever installed them.
missing_packages() {
    local python
    python=$(find_python)
    [ -n "$python" ] && "$python" -c 'import ensurepip, venv' 2>/dev/null || echo python3.11-venv
    command -v cmake >/dev/null || echo cmake
    command -v ninja >/dev/null || echo ninja-build
    command -v clang >/dev/null || echo clang
    command -v clang-format >/dev/null || echo clang-format
    command -v gcc >/dev/null || echo gcc
    command -v g++ >/dev/null || echo g++
    includes gcc stdio.h || echo libc6-dev
    command -v arm-none-eabi-gcc >/dev/null || echo gcc-arm-none-eabi
    includes arm-none-eabi-gcc string.h || echo libnewlib-arm-none-eabi
    command -v qemu-system-arm >/dev/null || echo qemu-system-arm
    command -v llvm-mca >/dev/null || echo llvm
    [ -d /usr/share/datasets/fashion-mnist ] || echo dataset-fashion-mnist
}

includes() { echo "#include <$2>" | "$1" -E -o /dev/null - 2>/dev/null; }

install_packages() {
    local packages as_root=()
    mapfile -t packages < <(missing_packages)
    [ ${#packages[@]} -eq 0 ] && return
    if [ "$(id -u)" -ne 0 ]; then
        as_root=(sudo)
    fi
    if ! command -v apt-get >/dev/null || { [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; }; then
        echo "setup: tools are missing, and only root may install them: apt-get install ${packages[*]}" >&2
        exit 2
    fi
    echo "setup: installing Debian packages: ${packages[*]}"
    "${as_root[@]}" apt-get -qq update
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq install --no-install-recommends "${packages[@]}" >/dev/null
}

pip_install() { .venv/bin/python -m pip --disable-pip-version-check install -qq "$@"; }

# The locked torch as a CPU build: a plain `torch` may bring gigabytes of CUDA along.
install_torch() {
    local wanted cpu
    wanted=$(grep -x 'torch==[0-9.]*' requirements.lock)
    cpu="$wanted+cpu"
    pip_install --no-deps "$cpu" 2>/dev/null ||
        pip_install --no-deps --index-url "$TORCH_CPU_INDEX" "$cpu" 2>/dev/null ||
        pip_install --no-deps "$wanted"
}

install_packages
if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    rm -rf .venv
    "$(find_python)" -m venv .venv
fi
echo "setup: installing Python packages into .venv (torch is the large one)"
install_torch
pip_install -r requirements.lock
pip_install --no-deps --no-build-isolation --editable .
touch .venv/.ready
