"""A board in QEMU, with its serial line on a pseudo-terminal.

QEMU counts instructions instead of time (-icount: an instruction is _NANOSECONDS_PER_INSTRUCTION of the
guest's time). The boards' timers of 16 MHz and more tick at least twice an instruction then, so that the
difference of two readings, rounded, is an exact number of instructions, the same in every run.

The guest's bytes cross a socket to a thread of ours that owns the terminal. It keeps what the guest says
until a program has opened the terminal, so that no line of the boot is lost.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from mcu_nas.boards import Board
from mcu_nas.devices.toolchain import find_tool
from mcu_nas.errors import BoardError, DeviceError, UsageError

_ICOUNT_SHIFT = 7
_NANOSECONDS_PER_INSTRUCTION = 1 << _ICOUNT_SHIFT
INSTRUCTIONS_PER_SECOND = 1_000_000_000 // _NANOSECONDS_PER_INSTRUCTION  # of the guest's time; divides evenly

_START_SECONDS = 30.0
_SETTLE_SECONDS = 0.5
_POLL_SECONDS = 0.02
_CHUNK = 4096


@contextmanager
def emulate(board: Board, elf: Path) -> Iterator[str]:
    """Runs an image; yields the path of the pseudo-terminal that is the board's serial line.

    The emulator ends when the context is left, by whatever exception, and when this process dies. Enter it
    from a thread that outlives it: the kernel ends the emulator with the thread that started it.

    Raises:
        UsageError: the board has no emulator.
        ToolError: QEMU is not installed.
        BoardError: QEMU has no machine of that name.
        DeviceError: QEMU ends at once; says its first line that is no warning.
    """
    if board.emulator is None:
        raise UsageError(f"{board.name} has no emulator: give a serial port with --port, or another board")
    with ExitStack() as stack:
        line, qemu_line = map(stack.enter_context, socket.socketpair())
        control, qemu_control = map(stack.enter_context, socket.socketpair())
        complaints = stack.enter_context(tempfile.TemporaryFile(mode="w+"))
        terminal = _Terminal(line)
        stack.callback(terminal.close)
        process = _start(board.emulator, elf, qemu_line, qemu_control, complaints)
        stack.callback(_end, process)
        qemu_line.close()
        qemu_control.close()
        _wait_until_loaded(control, process, complaints, board)
        yield terminal.path


def _start(
    machine: str, elf: Path, line: socket.socket, control: socket.socket, complaints: IO[str]
) -> subprocess.Popen[bytes]:
    command = [
        str(find_tool("qemu-system-arm")),
        *("-M", machine, "-kernel", str(elf), "-nodefaults", "-display", "none"),
        # A guest that sleeps until a byte comes lets real time pass; while it computes, instructions count.
        *("-icount", f"shift={_ICOUNT_SHIFT}"),
        *("-chardev", f"socket,id=line,fd={line.fileno()}", "-serial", "chardev:line"),
        *("-chardev", f"socket,id=control,fd={control.fileno()}", "-mon", "chardev=control,mode=control"),
    ]
    if sys.platform == "linux":
        command = [str(find_tool("setpriv")), "--pdeathsig", "SIGKILL", *command]
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=complaints,
        stderr=complaints,
        pass_fds=(line.fileno(), control.fileno()),
        start_new_session=True,  # Ctrl-C reaches us alone, and we end the emulator
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _wait_until_loaded(
    control: socket.socket, process: subprocess.Popen[bytes], complaints: IO[str], board: Board
) -> None:
    """Returns once QEMU's main loop answers a command, i.e. machine and image were set up."""
    control.settimeout(_START_SECONDS)
    try:
        control.sendall(b'{"execute": "qmp_capabilities"}\n')
        for answer in control.makefile("r", encoding="utf-8"):
            if "return" in json.loads(answer):
                return
    except TimeoutError as error:
        raise DeviceError(f"the emulator of {board.name} did not start in {_START_SECONDS:.0f} s") from error
    except OSError:
        pass  # a closed socket tells the same as an end of file: QEMU has ended
    process.wait()
    complaints.seek(0)
    lines = [line.strip() for line in complaints if line.strip() and "warning:" not in line]
    said = lines[0] if lines else f"exit code {process.returncode}"
    if "unsupported machine type" in said:
        raise BoardError(
            f"{board.name}: emulator is '{board.emulator}', a machine that QEMU does not have:"
            " `qemu-system-arm -M help` lists them"
        )
    raise DeviceError(f"the emulator of {board.name} ended at once: {said}")


class _Terminal:
    """A pseudo-terminal whose far end is a socket, copied by a thread in both directions.

    Serial libraries discard what has arrived when they open a port. Packet mode tells us of that, so that
    nothing is sent before it; a program that discards nothing gets its first byte after _SETTLE_SECONDS.
    """

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        fcntl.ioctl(self._master, termios.TIOCPKT, struct.pack("i", 1))
        os.set_blocking(self._master, False)
        os.close(slave)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._copy, name="emulated serial line", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread and hangs up. Call it once the emulator has ended, which unblocks the socket."""
        self._stop.set()
        self._thread.join()

    def _copy(self) -> None:
        to_host = b""
        opened: float | None = None  # when a program opened the terminal
        settled = False  # ... and has discarded or sent something
        try:
            while not self._stop.is_set():
                may_send = opened is not None and (settled or time.monotonic() - opened > _SETTLE_SECONDS)
                state = self._wait(read_line=may_send and not to_host, write_host=bool(to_host))
                if state.host_event:
                    control, from_host = self._read_host()
                    settled = settled or bool(from_host) or bool(control & termios.TIOCPKT_FLUSHREAD)
                    self._line.sendall(from_host)
                elif state.host_gone:
                    opened, settled = None, False
                    self._stop.wait(_POLL_SECONDS)
                    continue
                opened = opened or time.monotonic()
                if state.line_event:
                    to_host = self._line.recv(_CHUNK)
                    if not to_host:
                        return
                if to_host and may_send:
                    to_host = to_host[self._write_host(to_host) :]
        except OSError:
            return  # the emulator has ended
        finally:
            os.close(self._master)

    def _wait(self, read_line: bool, write_host: bool) -> _Events:
        poll = select.poll()
        poll.register(self._master, select.POLLIN | (select.POLLOUT if write_host else 0))
        if read_line:
            poll.register(self._line, select.POLLIN)
        events = dict(poll.poll(_POLL_SECONDS * 1000))
        host = events.get(self._master, 0)
        return _Events(
            host_event=bool(host & select.POLLIN),
            host_gone=bool(host & select.POLLHUP),
            line_event=self._line.fileno() in events,
        )

    def _read_host(self) -> tuple[int, bytes]:
        """The control byte of packet mode, and the bytes that the program sent."""
        try:
            packet = os.read(self._master, _CHUNK)
        except OSError:  # it was closed meanwhile
            return 0, b""
        return (packet[0], packet[1:]) if packet[0] == termios.TIOCPKT_DATA else (packet[0], b"")

    def _write_host(self, data: bytes) -> int:
        try:
            return os.write(self._master, data)
        except BlockingIOError:
            return 0


class _Events(NamedTuple):
    host_event: bool
    host_gone: bool
    line_event: bool
