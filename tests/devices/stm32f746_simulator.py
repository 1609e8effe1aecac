"""An STM32F746 for tests: its unchanged firmware image in an instruction-set simulator.

Modelled after ST RM0385: reset and clock control, power, flash interface, GPIO and USART1, with what a
real part punishes: registers of a peripheral without a clock stay dead, the PLL needs its source, over-drive
and flash wait states must suit the frequency, the USART speaks only through pins that lead to it. Of the
core: system control space and DWT with its lock. Time is not modelled: CYCCNT advances by one a reading.
"""

from __future__ import annotations

import struct
from collections import defaultdict, deque
from collections.abc import Callable
from pathlib import Path

import unicorn
from unicorn import arm_const

HSI_HZ, HSE_HZ = 16_000_000, 25_000_000
ITCM, ITCM_BYTES = 0, 16 << 10
FLASH, FLASH_BYTES = 0x0800_0000, 1 << 20
SRAM, SRAM_BYTES = 0x2000_0000, 320 << 10
PERIPHERALS, PERIPHERALS_BYTES = 0x4000_0000, 0x8_0000
CORE, CORE_BYTES = 0xE000_0000, 0x1_0000

TIM2_CR1, TIM2_CNT = 0x4000_0000, 0x4000_0024
PWR_CR1, PWR_CSR1 = 0x4000_7000, 0x4000_7004
USART_CR1, USART_BRR, USART_ISR, USART_RDR, USART_TDR = (
    0x4001_1000 + at for at in (0, 0x0C, 0x1C, 0x24, 0x28)
)
GPIOA_MODER, GPIOA_AFRH, GPIOB_MODER, GPIOB_AFRL = 0x4002_0000, 0x4002_0024, 0x4002_0400, 0x4002_0420
RCC_CR, RCC_PLLCFGR, RCC_CFGR = 0x4002_3800, 0x4002_3804, 0x4002_3808
RCC_AHB1ENR, RCC_APB1ENR, RCC_APB2ENR = 0x4002_3830, 0x4002_3840, 0x4002_3844
FLASH_ACR = 0x4002_3C00
DWT_CTRL, DWT_CYCCNT, DWT_LAR = 0xE000_1000, 0xE000_1004, 0xE000_1FB0
MPU_TYPE, CCSIDR, DEMCR, CCR = 0xE000_ED90, 0xE000_ED80, 0xE000_EDFC, 0xE000_ED14

# Which bit of which register clocks a peripheral: first address, size, register, bit.
CLOCK_GATES = (
    (0x4000_0000, 0x400, RCC_APB1ENR, 0),
    (PWR_CR1, 0x400, RCC_APB1ENR, 28),
    (USART_CR1, 0x400, RCC_APB2ENR, 4),
    (GPIOA_MODER, 0x400, RCC_AHB1ENR, 0),
    (GPIOB_MODER, 0x400, RCC_AHB1ENR, 1),
)
RESET_VALUES = {
    RCC_CR: 0x0000_0083,
    RCC_PLLCFGR: 0x2400_3010,
    PWR_CR1: 0x0000_C000,
    GPIOA_MODER: 0xA800_0000,
    GPIOB_MODER: 0x0000_0280,
    MPU_TYPE: 8 << 8,
    CCSIDR: 31 << 13 | 3 << 3 | 1,  # 4 KiB: 32 sets, 4 ways, lines of 32 bytes
}
IDLE_POLLS = 64  # so many looks at an empty receiver mean that the program waits for us


class HardwareFaultError(AssertionError):
    """The program did what a real part would not survive, or not notice."""


class Stm32F746:
    """The part with an image in its flash, just out of reset.

    ``crystal``: whether the 25 MHz crystal starts. ``cycle_counter``: whether DWT has one.
    """

    def __init__(self, elf: Path, *, crystal: bool = True, cycle_counter: bool = True) -> None:
        self.crystal = crystal
        self.cycle_counter = cycle_counter
        self.output = bytearray()  # what was read from the serial line and not yet consumed
        self._input: deque[int] = deque()
        self._registers: dict[int, int] = defaultdict(int, RESET_VALUES)
        self._idle_polls = 0
        self._dwt_unlocked = False
        self._fault: Exception | None = None
        self._machine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        self._machine.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M7)
        self._machine.mem_map(FLASH, FLASH_BYTES, unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC)
        self._machine.mem_map(SRAM, SRAM_BYTES)
        self._machine.mem_map(ITCM, ITCM_BYTES)
        for base, size in ((PERIPHERALS, PERIPHERALS_BYTES), (CORE, CORE_BYTES)):
            self._machine.mmio_map(
                base, size, self._guarded(self._read), base, self._guarded(self._write), base
            )
        for address, data in load_segments(elf):
            self._machine.mem_write(address, data)
        stack, entry = struct.unpack("<II", self._machine.mem_read(FLASH, 8))
        self._machine.reg_write(arm_const.UC_ARM_REG_SP, stack)
        self._pc = entry & ~1

    # -- what a test does with it

    def send(self, data: bytes) -> None:
        """Queues bytes for the receiver; each arrives when the one before has been read."""
        self._input.extend(data)

    def read_until(self, end: bytes, max_instructions: int = 500_000_000) -> bytes:
        """Runs until the program has sent ``end``; returns everything up to it.

        Raises:
            HardwareFaultError: the program waits for input instead, runs too long, or mistreats the hardware.
        """
        while end not in self.output:
            before = len(self.output)
            waits = self._run(max_instructions)
            if end not in self.output and (not waits or (len(self.output) == before and not self._input)):
                what = "waits for input" if waits else f"ran {max_instructions:,} instructions"
                raise HardwareFaultError(f"{what} without sending {end!r}; it sent {bytes(self.output)!r}")
        cut = self.output.index(end) + len(end)
        answer = bytes(self.output[:cut])
        del self.output[:cut]
        return answer

    @property
    def core_hz(self) -> int:
        """The core's clock as the registers have it."""
        if self._registers[RCC_CFGR] & 3 == 0:
            return HSI_HZ
        pll = self._registers[RCC_PLLCFGR]
        if not pll >> 22 & 1:
            raise HardwareFaultError("the PLL is fed by the internal oscillator")
        divider, factor, output = pll & 63, pll >> 6 & 511, 2 * (pll >> 16 & 3) + 2
        if (
            not 1_000_000 <= HSE_HZ // divider <= 2_000_000
            or not 100 <= HSE_HZ // divider * factor / 1e6 <= 432
        ):
            raise HardwareFaultError(f"the PLL is outside its range: M={divider}, N={factor}")
        return HSE_HZ // divider * factor // output

    @property
    def line_baud(self) -> float:
        """Bits per second on the serial line, from the bus clock and the divider."""
        return self.core_hz / _bus_divider(self._registers[RCC_CFGR] >> 13 & 7) / self._registers[USART_BRR]

    @property
    def caches_on(self) -> bool:
        """Whether both level-1 caches are enabled."""
        return self._registers[CCR] >> 16 & 3 == 3

    # -- the machine

    def _run(self, max_instructions: int) -> bool:
        """Runs until the program waits for input (True) or has used up its instructions (False)."""
        self._idle_polls = 0
        try:
            self._machine.emu_start(self._pc | 1, 0xFFFF_FFFF, count=max_instructions)
        except unicorn.UcError as error:
            raise HardwareFaultError(f"the core faulted: {error}") from error
        self._pc = self._machine.reg_read(arm_const.UC_ARM_REG_PC)
        if self._fault is not None:
            raise self._fault
        return self._idle_polls >= IDLE_POLLS

    def _guarded(self, access: Callable[..., int | None]) -> Callable[..., int]:
        """Exceptions cannot pass through the simulator's C code: keep the first, stop, raise it later."""

        def call(machine: unicorn.Uc, offset: int, size: int, *value_and_base: int) -> int:
            *value, base = value_and_base
            address = base + offset
            try:
                if size != 4 or address % 4:
                    raise HardwareFaultError(f"a {size}-byte access to the register at {address:#x}")
                return access(address, *value) or 0
            except Exception as error:
                self._fault = self._fault or error
                machine.emu_stop()
                return 0

        return call

    def _clocked(self, address: int) -> bool:
        for base, size, gate, bit in CLOCK_GATES:
            if base <= address < base + size:
                return bool(self._registers[gate] >> bit & 1)
        return True

    def _read(self, address: int) -> int:
        if not self._clocked(address):
            return 0
        answer = {
            USART_ISR: self._usart_status,
            USART_RDR: self._receive,
            DWT_CYCCNT: self._count_cycle,
            TIM2_CNT: self._count_tick,
        }.get(address)
        return answer() if answer else self._registers[address]

    def _write(self, address: int, value: int) -> None:
        if not self._clocked(address):
            return
        if address in (DWT_CTRL, DWT_CYCCNT) and not (
            self._dwt_unlocked and self._registers[DEMCR] >> 24 & 1
        ):
            return
        self._registers[address] = value
        effect = {
            DWT_LAR: self._unlock_dwt,
            RCC_CR: self._start_oscillators,
            RCC_CFGR: self._switch_clock,
            PWR_CR1: self._raise_voltage,
            USART_TDR: self._transmit,
        }.get(address)
        if effect:
            effect(value)

    # -- the peripherals

    def _usart_status(self) -> int:
        if not self._input:
            self._idle_polls += 1
            if self._idle_polls >= IDLE_POLLS:
                self._machine.emu_stop()
        return 1 << 7 | 1 << 6 | bool(self._input) << 5

    def _receive(self) -> int:
        self._idle_polls = 0
        return self._input.popleft() if self._input else 0

    def _count_cycle(self) -> int:
        self._registers[DWT_CYCCNT] += self.cycle_counter and self._registers[DWT_CTRL] & 1
        return self._registers[DWT_CYCCNT]

    def _count_tick(self) -> int:
        self._registers[TIM2_CNT] += self._registers[TIM2_CR1] & 1
        return self._registers[TIM2_CNT]

    def _unlock_dwt(self, key: int) -> None:
        self._dwt_unlocked = key == 0xC5AC_CE55

    def _raise_voltage(self, control: int) -> None:
        self._registers[PWR_CSR1] = control & (3 << 16) | 1 << 14

    def _start_oscillators(self, control: int) -> None:
        ready = control & ~(1 << 17 | 1 << 25) | 1 << 1
        if control >> 16 & 1 and self.crystal:
            ready |= 1 << 17
        if control >> 24 & 1 and ready >> 17 & 1:
            ready |= 1 << 25
        self._registers[RCC_CR] = ready

    def _switch_clock(self, configuration: int) -> None:
        if configuration & 3 == 2:
            if not self._registers[RCC_CR] >> 25 & 1:
                return  # the switch waits for the PLL
            wait_states, hertz = self._registers[FLASH_ACR] & 15, self.core_hz
            if hertz > 30_000_000 * (wait_states + 1):
                raise HardwareFaultError(f"{hertz:,} Hz with {wait_states} flash wait states")
            if hertz > 180_000_000 and self._registers[PWR_CSR1] >> 16 & 3 != 3:
                raise HardwareFaultError(f"{hertz:,} Hz without over-drive")
            if hertz / _bus_divider(configuration >> 10 & 7) > 54_000_000:
                raise HardwareFaultError("APB1 above 54 MHz")
            if hertz / _bus_divider(configuration >> 13 & 7) > 108_000_000:
                raise HardwareFaultError("APB2 above 108 MHz")
        self._registers[RCC_CFGR] = configuration & ~12 | (configuration & 3) << 2

    def _transmit(self, value: int) -> None:
        self._idle_polls = 0
        on = self._registers[USART_CR1] & 0b1101 == 0b1101
        pa9 = self._registers[GPIOA_MODER] >> 18 & 3 == 2 and self._registers[GPIOA_AFRH] >> 4 & 15 == 7
        pb7 = self._registers[GPIOB_MODER] >> 14 & 3 == 2 and self._registers[GPIOB_AFRL] >> 28 & 15 == 7
        if on and pa9 and pb7:
            self.output.append(value & 0xFF)


def load_segments(elf: Path) -> list[tuple[int, bytes]]:
    """Load address and bytes of each segment of a 32-bit little-endian ELF that has bytes."""
    data = elf.read_bytes()
    table, entry_bytes, entries = *struct.unpack_from("<I", data, 28), *struct.unpack_from("<HH", data, 42)
    segments = []
    for i in range(entries):
        kind, offset, _, address, size = struct.unpack_from("<5I", data, table + i * entry_bytes)
        if kind == 1 and size:
            segments.append((address, data[offset : offset + size]))
    return segments


def _bus_divider(field: int) -> int:
    """What a bus prescaler's field of RCC_CFGR divides by."""
    return 1 if field < 4 else 2 << (field - 4)
