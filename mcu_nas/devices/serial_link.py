"""The host's end of the serial line: asks a device with our firmware, and trusts nothing it hears.

The protocol is docs/serial_protocol.md. Every exchange either gives a complete answer or raises
DeviceError: a device that stays silent, restarts in the middle, or babbles never turns into a number.
"""

from __future__ import annotations

import errno
import time
import zlib
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TypeVar

import numpy as np
import serial

from mcu_nas.devices.answers import (
    AnswerError,
    ClockInfo,
    DeviceInfo,
    InferTiming,
    LayerCounts,
    MemoryUse,
    parse_clock,
    parse_crc,
    parse_device_info,
    parse_layers,
    parse_memory,
    parse_outputs,
    parse_results,
    parse_ticks,
)
from mcu_nas.errors import DeviceError, UsageError

Parsed = TypeVar("Parsed")

_COMMAND_CHARS = 80  # without the "%"
_BYTES_A_LINE = (_COMMAND_CHARS - len("db ")) // 2
_BOOT_LINES = ("m-hello-[", "m-timestamp-mode-", "m-init-done")
_ANSWER_LINES = 10_000  # more than any answer has; ends what another device might say for ever
_RETRY_SECONDS = 1.0  # a board that restarts when its port is opened misses the first question
_QUIET_SECONDS = 0.1  # no answer has a longer pause in it, save that of a run
_POLL_SECONDS = 0.02


class DeviceLink:
    """A device on a serial port; a context manager that opens, synchronises, and closes.

    ``timeout`` is how long, in seconds, the device may be silent; each run of the model adds
    ``run_timeout``. One command is under way at a time: a UART has no flow control and loses bytes while
    the firmware writes, and on the emulator, where each byte costs the same, more would gain nothing.
    """

    def __init__(
        self,
        port: str,
        baud: int = 115_200,
        *,
        timeout: float = 5.0,
        run_timeout: float = 60.0,
    ) -> None:
        self.port = port
        self.baud = baud
        self._timeout = timeout
        self._run_timeout = run_timeout
        self._received = bytearray()
        self._serial: serial.Serial | None = None
        self._info: DeviceInfo | None = None

    def __enter__(self) -> DeviceLink:
        """Opens the port and finds the device.

        Raises:
            UsageError: the port does not exist, is not ours to open, or is in use.
            DeviceError: nothing answers there, or something else than our firmware.
        """
        self._serial = _open(self.port, self.baud, self._timeout)
        try:
            self._synchronise()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the port; a second time does nothing."""
        if self._serial is not None:
            self._serial.close()
            self._serial = None

    def hello(self) -> DeviceInfo:
        """Board, model and sizes; asked once per link."""
        if self._info is None:
            lines = self.command("name") + self.command("model")
            self._info = self._parsed("model", parse_device_info, lines)
        return self._info

    def clock(self) -> ClockInfo:
        """The core's clock, and what the timer counts."""
        return self._parsed("clock", parse_clock, self.command("clock"))

    def load(self, data: bytes) -> None:
        """Loads an input of exactly ``input_bytes``, as the model's input encoding has it, and compares
        the device's CRC-32 of it with ours."""
        expected = self.hello().input_bytes
        if len(data) != expected:
            raise UsageError(f"the input has {len(data):,} bytes: the model takes {expected:,}")
        self.command(f"db load {expected}")
        for i in range(0, expected, _BYTES_A_LINE):
            self.command(f"db {data[i : i + _BYTES_A_LINE].hex()}")
        crc = self._parsed("crc", parse_crc, self.command("crc"))
        if crc != zlib.crc32(data):
            raise DeviceError(
                f"{self._where}: the device holds another input than was sent"
                f" (CRC-32 {crc:08x} instead of {zlib.crc32(data):08x}): try a lower baud rate"
            )

    def infer(self, runs: int = 1, warmup: int = 0) -> InferTiming:
        """Runs the model ``warmup`` times untimed and ``runs`` times timed.

        The first run after a load is the one whose outputs are kept; later ones only serve to time.
        """
        silence = self._timeout + self._run_timeout * (runs + warmup)
        self.command(f"infer {runs} {warmup}", silence)
        return self._parsed("ticks", parse_ticks, self.command("ticks"))

    def results(self) -> tuple[float, ...]:
        """Outputs of the first run after the last load as real numbers, to three decimals."""
        return self._parsed("results", parse_results, self.command("results"))

    def outputs(self) -> np.ndarray:
        """Outputs int8 (output_bytes,) of the first run after the last load, tensor after tensor."""
        count = self.hello().output_bytes
        return self._parsed("outputs", lambda lines: parse_outputs(lines, count), self.command("outputs"))

    def layers(self) -> LayerCounts:
        """Runs a freshly loaded input once, layer by layer, each timed; keeps the outputs, too."""
        count = self.hello().layer_count
        lines = self.command("layers", self._timeout + self._run_timeout)
        return self._parsed("layers", lambda lines: parse_layers(lines, count), lines)

    def memory(self) -> MemoryUse:
        """The stack's high-water mark since boot, and the arena."""
        return self._parsed("memory", parse_memory, self.command("memory"))

    def command(self, text: str, silence: float | None = None) -> list[str]:
        """The lines of the answer to one command, without the closing ``m-ready``.

        ``silence`` is how many seconds may pass between two lines.

        Raises:
            DeviceError: refused, restarted, babbled, or silent for too long.
        """
        silence = silence or self._timeout
        lines: list[str] = []
        self._write(f"{text}%", text)
        while (line := self._line(text, silence)) != "m-ready":
            if line.startswith(_BOOT_LINES):
                raise DeviceError(
                    f"{self._where}: the device restarted instead of answering '{text}%': "
                    "a fault, a watchdog, or its power"
                )
            if not line.startswith(("m-", "e-")) or len(lines) == _ANSWER_LINES:
                raise self._babble(text, line.encode())
            lines.append(line)
        self._raise_refusal(text, lines)
        return lines

    def _raise_refusal(self, text: str, lines: Sequence[str]) -> None:
        for line in lines:
            if line.startswith("e-"):
                reason = line.removeprefix("e-[").removesuffix("]")
                raise DeviceError(f"{self._where}: the device refuses '{text}%': {reason}")

    def _line(self, text: str, silence: float) -> str:
        """The next line of the answer to ``text``, without its end."""
        deadline = time.monotonic() + silence
        while (end := self._received.find(b"\n")) < 0:
            if time.monotonic() > deadline:
                raise self._silence(text, silence)
            self._receive()
        raw = bytes(self._received[:end]).removesuffix(b"\r")
        del self._received[: end + 1]
        if not (raw.isascii() and raw.decode("ascii").isprintable()):
            raise self._babble(text, raw)
        return raw.decode("ascii")

    def _receive(self) -> None:
        """Appends what has come, or comes within _POLL_SECONDS, if anything does."""
        device = self._opened()
        try:
            self._received += device.read(max(1, device.in_waiting))
        except (serial.SerialException, OSError) as error:
            raise self._gone() from error

    def _write(self, characters: str, command: str) -> None:
        try:
            self._opened().write(characters.encode("ascii"))
        except serial.SerialTimeoutException as error:
            raise self._silence(command, self._timeout) from error
        except (serial.SerialException, OSError) as error:
            raise self._gone() from error

    def _synchronise(self) -> None:
        """Asks for the name until it comes, then drops everything that came before or doubly.

        The leading "%" ends a command that an earlier, interrupted program may have left half sent.
        """
        give_up = time.monotonic() + self._timeout
        ask_again = 0.0
        while b"m-name-dut-[" not in self._received:
            now = time.monotonic()
            if now > give_up:
                raise (
                    self._babble("name", self._received)
                    if self._received
                    else self._silence("name", self._timeout)
                )
            if now > ask_again:
                self._write("%name%", "name")
                ask_again = now + _RETRY_SECONDS
            self._receive()
        quiet_since = time.monotonic()
        while time.monotonic() < quiet_since + _QUIET_SECONDS:
            before = len(self._received)
            self._receive()
            if len(self._received) != before:
                quiet_since = time.monotonic()
            if quiet_since > give_up:
                raise self._babble("name", self._received)
        self._received.clear()

    def _parsed(self, text: str, parse: Callable[[list[str]], Parsed], lines: list[str]) -> Parsed:
        try:
            return parse(lines)
        except AnswerError as missing:
            raise DeviceError(
                f"{self._where}: the answer to '{text}%' lacks {missing}: is the firmware ours, and current?"
            ) from missing

    def _opened(self) -> serial.Serial:
        if self._serial is None:
            raise RuntimeError("the link is closed: use it in a with statement")
        return self._serial

    @property
    def _where(self) -> str:
        return f"{self.port} at {self.baud} baud"

    def _silence(self, text: str, seconds: float) -> DeviceError:
        return DeviceError(
            f"{self._where}: no answer to '{text}%' within {seconds:g} s:"
            " is the firmware flashed, and the port right?"
        )

    def _babble(self, text: str, raw: bytes | bytearray) -> DeviceError:
        return DeviceError(
            f"{self._where}: {bytes(raw[-24:])!r} is no answer to '{text}%': is the baud rate right,"
            " and the firmware ours?"
        )

    def _gone(self) -> DeviceError:
        return DeviceError(f"{self._where}: the port closed: was the board unplugged, or the emulator ended?")


def _open(port: str, baud: int, write_timeout: float) -> serial.Serial:
    try:
        return serial.Serial(port, baud, timeout=_POLL_SECONDS, write_timeout=write_timeout, exclusive=True)
    except ValueError as error:
        raise UsageError(f"{port}: cannot run at {baud} baud: choose another rate") from error
    except (serial.SerialException, OSError) as error:
        in_use = "is in use: close the program that has it open"
        reasons = {
            errno.ENOENT: "does not exist: is the board plugged in? `ls /dev/ttyACM* /dev/ttyUSB*` lists"
            " ports",
            errno.EACCES: "permission denied: add yourself to its group, `sudo usermod -aG dialout $USER`,"
            " and log in again",
            errno.EBUSY: in_use,
            errno.EAGAIN: in_use,  # another program holds pyserial's lock
        }
        number = getattr(error, "errno", None) or 0
        known = reasons.get(number, f"cannot be opened as a serial port: {error}")
        raise UsageError(f"{port}: {known}") from error
