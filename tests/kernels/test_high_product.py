"""The doubling high multiply from four products of halves equals the one of 64 bits, without overflow."""

from __future__ import annotations

import subprocess
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from mcu_nas.resources import firmware_dir
from tests.kernels.kernel_driver import FLAGS, SANITIZE

LEAST, MOST = -(2**31), 2**31 - 1


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("high_product") / "driver"
    source = Path(__file__).with_name("high_product_driver.c")
    subprocess.run(
        ["gcc", *FLAGS, *SANITIZE, f"-I{firmware_dir() / 'kernels'}", source, "-o", out], check=True
    )
    return out


def near(values: list[int], low: int, high: int) -> list[int]:
    """The values and their neighbours at a distance of up to two, within a range."""
    return sorted({value + step for value in values for step in range(-2, 3) if low <= value + step <= high})


def edges() -> list[tuple[int, int]]:
    """Pairs at which a half, a product or a sum is extreme."""
    halves = [sign * high * 2**16 + low for sign in (1, -1) for high in (0, 1, 2**15) for low in (0, 2**15)]
    return list(
        product(
            near([*halves, LEAST, MOST, 2**30, -(2**30)], LEAST, MOST), near([*halves, 2**30, MOST], 0, MOST)
        )
    )


def drawn() -> list[tuple[int, int]]:
    """Random accumulators of any size with multipliers as factors have them, and with any."""
    rng = np.random.default_rng(0)
    count = 100_000
    x = rng.integers(LEAST, MOST, count, endpoint=True) >> rng.integers(0, 31, count)
    m = np.where(rng.random(count) < 0.5, rng.integers(2**30, 2**31, count), rng.integers(0, 2**31, count))
    return list(zip(x.tolist(), m.tolist(), strict=True))


@pytest.mark.parametrize("pairs", [edges(), drawn()], ids=["edges", "drawn"])
def test_high_product_by_halves_is_exact(program: Path, pairs: list[tuple[int, int]]) -> None:
    asked = np.array(pairs, np.int32)
    done = subprocess.run([program], input=asked.tobytes(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    by_halves, wide = np.frombuffer(done.stdout, np.int32).reshape(-1, 2).T
    exact = np.array([(x * m + 2**30) >> 31 for x, m in pairs])
    np.testing.assert_array_equal(wide, exact)
    np.testing.assert_array_equal(by_halves, exact)
