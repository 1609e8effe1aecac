"""The harness compiles without a warning where it will run, with more of them enabled than a build has."""

import subprocess

import pytest

from mcu_nas.cores import CORE_FLAGS
from mcu_nas.devices.toolchain import find_tool
from tests.harness.toy_device import HARNESS, INCLUDES, MODEL, WARNINGS


@pytest.mark.parametrize("core", sorted(CORE_FLAGS))
def test_harness_has_no_warnings(core: str) -> None:
    compiler = (find_tool("arm-none-eabi-gcc"), "-std=c11", "-O2", "-fsyntax-only", *CORE_FLAGS[core])
    done = subprocess.run([*compiler, *WARNINGS, *INCLUDES, *MODEL, *HARNESS], capture_output=True, text=True)
    assert done.stderr == ""
    assert done.returncode == 0
