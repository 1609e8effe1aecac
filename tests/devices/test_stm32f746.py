"""The STM32F746 image, unchanged, on a simulated part: clocks, their fallbacks, and the serial line."""

from __future__ import annotations

import pytest

from mcu_nas.boards import load_board
from mcu_nas.devices.build import FirmwareImage
from tests.devices.probe import build_probe
from tests.devices.stm32f746_simulator import HardwareFaultError, Stm32F746

DWT, TICKS = 0, 1


@pytest.fixture(scope="module")
def probe(tmp_path_factory) -> FirmwareImage:
    return build_probe(load_board("stm32f746g-disco"), tmp_path_factory.mktemp("probe"))


def booted(part: Stm32F746) -> dict[str, int]:
    lines = part.read_until(b"ready\r\n").decode().split()
    return {name: int(value) for name, value in (line.split("=") for line in lines[:-1])}


def test_it_boots_at_216_mhz_with_caches_on(probe):
    part = Stm32F746(probe.elf)
    said = booted(part)
    assert said == {
        "clock": 216_000_000,
        "timer": DWT,
        "timer_hz": 216_000_000,
        "initialised": 42,
        "cleared": 1,
    }
    assert part.core_hz == 216_000_000
    assert part.caches_on


@pytest.mark.parametrize("cache", ["INSTRUCTION_CACHE", "DATA_CACHE"])
def test_a_cache_that_the_boards_file_switches_off_stays_off(cache, tmp_path):
    board = load_board("stm32f746g-disco")
    constants = {**board.port_constants, cache: 0}
    part = Stm32F746(build_probe(board.model_copy(update={"port_constants": constants}), tmp_path).elf)
    assert booted(part)["clock"] == 216_000_000
    assert not part.caches_on


def test_a_dead_crystal_leaves_it_on_the_internal_oscillator_and_it_says_so(probe):
    part = Stm32F746(probe.elf, crystal=False)
    said = booted(part)
    assert (said["clock"], said["timer_hz"]) == (16_000_000, 16_000_000)
    assert part.core_hz == 16_000_000


def test_a_core_without_cycle_counter_is_timed_by_tim2(probe):
    said = booted(Stm32F746(probe.elf, cycle_counter=False))
    assert (said["clock"], said["timer"], said["timer_hz"]) == (216_000_000, TICKS, 108_000_000)


@pytest.mark.parametrize("crystal", [True, False])
def test_the_line_is_within_one_percent_of_its_rate_at_either_clock(probe, crystal):
    part = Stm32F746(probe.elf, crystal=crystal)
    booted(part)
    assert part.line_baud == pytest.approx(115_200, rel=0.01)


def test_it_answers_what_it_is_sent(probe):
    part = Stm32F746(probe.elf)
    booted(part)
    for text in (b"hell", b"again"):
        part.send(text)
        assert part.read_until(text) == text


def test_a_stack_overflow_leaves_the_memory_and_does_not_reach_the_arena(probe):
    part = Stm32F746(probe.elf)
    booted(part)
    part.send(b"o")
    with pytest.raises(HardwareFaultError, match="the core faulted: Invalid memory write"):
        part.read_until(b"]")
