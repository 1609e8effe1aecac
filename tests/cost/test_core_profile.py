"""Core profiles: every shipped file is whole, and a broken one is refused by file and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcu_nas.compiler.catalogue import kernels_of
from mcu_nas.compiler.latency_features import LATENCY_FEATURES
from mcu_nas.cores import CORE_FLAGS, instruction_set
from mcu_nas.cost import core_profile
from mcu_nas.cost.core_profile import load_core_profile
from mcu_nas.errors import BoardError
from mcu_nas.resources import boards_dir


def test_every_core_that_firmware_is_built_for_has_a_profile() -> None:
    assert {path.stem for path in (boards_dir() / "cores").glob("*.toml")} == set(CORE_FLAGS)


@pytest.mark.parametrize("core", sorted(CORE_FLAGS))
def test_shipped_profile_holds_every_kernel_and_believable_numbers(core: str) -> None:
    profile = load_core_profile(core)
    assert profile.core == core
    assert set(profile.kernels) == {kernel.name for kernel in kernels_of(instruction_set(core))}
    cpi = profile.cycles_per_instruction
    assert 0 < cpi.low <= cpi.central <= cpi.high
    for kernel in profile.kernels.values():
        assert kernel.code_bytes > 0
        assert all(coefficient >= 0 for coefficient in kernel.instructions.values())


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a shipped profile in a board folder of its own, to be spoiled by the test."""
    (tmp_path / "cores").mkdir()
    path = tmp_path / "cores" / "cortex-m7.toml"
    path.write_text((boards_dir() / "cores" / "cortex-m7.toml").read_text())
    monkeypatch.setattr(core_profile, "boards_dir", lambda: tmp_path)
    load_core_profile.cache_clear()
    yield path
    load_core_profile.cache_clear()


def spoil(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_unknown_core_names_the_missing_file(broken: Path) -> None:
    with pytest.raises(BoardError, match=r"no profile for core 'cortex-m99': .*cortex-m99\.toml is missing"):
        load_core_profile("cortex-m99")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("layer_code_bytes", "layer_code", r"cortex-m7\.toml: layer_code_bytes: Field required"),
        ("mac =", "macs =", f"needs exactly the keys {', '.join(LATENCY_FEATURES)}"),
        ("[cycles_per_instruction]", "[cycles_per_instruction", r"cortex-m7\.toml: "),
    ],
)
def test_broken_profile_is_refused_by_file_and_key(broken: Path, old: str, new: str, message: str) -> None:
    spoil(broken, old, new)
    with pytest.raises(BoardError, match=message):
        load_core_profile("cortex-m7")


def test_kernel_that_a_profile_lacks_is_named_where_it_is_needed(broken: Path) -> None:
    spoil(broken, "kernels.add_s8", "kernels.ad_s8")
    with pytest.raises(BoardError, match=r"'cortex-m7' lacks add_s8: run benchmarks/core_profile\.py"):
        load_core_profile("cortex-m7").kernel("add_s8")
