"""How deep the stack of a linked image can get, at most: from its machine code, whoever wrote it.

The stack pointer is followed along every path through a function, and a call adds what the called function
needs: C, the C library and generated kernels alike. What the code itself does not tell is told here or by
the image: whom the harness calls through a pointer, and how much each generated kernel needs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from mcu_nas.devices.symbols import read_symbols
from mcu_nas.devices.thumb_code import Instruction, ThumbCode, read_thumb_code
from mcu_nas.errors import BuildError

# Functions of firmware/harness that call through a pointer, and the names of those that it can point to.
POINTERS = {
    "commands_answer": r"(mlperf|measuring)_\w+|help",
    "inference_run": r"{model}_run",
    "time_of": r"layer_\d+_\w+|do_nothing",
}
_VENEER = re.compile(r"__(\w+)_veneer")  # the linker's: a jump to a function that a branch cannot reach
_NO_CODE = Instruction(None, fault="goes on where no code is")
_STATED = "_stack_bytes"  # ends the name of what a generated kernel states


@dataclass(frozen=True)
class StackBound:
    """Bytes of stack, at most: of the whole firmware from reset on, and of one call of NAME_run."""

    firmware_bytes: int
    inference_bytes: int


def stack_bound(elf: Path, model_name: str) -> StackBound:
    """The bound of an image made of harness, port and a model generated under ``model_name``.

    Handlers of faults are left out: they end the program.

    Raises:
        ToolError: arm-none-eabi-objdump or -nm is not installed.
        BuildError: the code does not tell; names the function and what it does.
    """
    pointers = {name: pattern.format(model=model_name) for name, pattern in POINTERS.items()}
    needs = StackNeeds(read_thumb_code(elf), _stated_bytes(elf), pointers)
    return StackBound(needs.of("reset_handler"), needs.of(f"{model_name}_run"))


def _stated_bytes(elf: Path) -> dict[str, int]:
    """What generated kernels need, from the absolute symbols NAME_stack_bytes beside them."""
    return {
        symbol.name.removesuffix(_STATED): symbol.value
        for symbol in read_symbols(elf)
        if symbol.kind in "Aa" and symbol.name.endswith(_STATED)
    }


@dataclass
class StackNeeds:
    """What functions of an image need, each found once.

    Attributes:
        stated: bytes of functions by name, whose code is not looked at.
        pointers: functions by name that call through a pointer; a pattern of names that it can lead to.
    """

    code: ThumbCode
    stated: dict[str, int]
    pointers: dict[str, str]
    _known: dict[int, int] = field(default_factory=dict)
    _open: list[int] = field(default_factory=list)  # those that wait for what they call

    def of(self, name: str) -> int:
        """Bytes, at most, that a call of the function takes.

        Raises:
            BuildError: the code does not tell; names the function and what it does.
        """
        return self._need(self.code.address(name))

    def _need(self, entry: int) -> int:
        """Bytes below the stack pointer with which the function at ``entry`` is called."""
        name = self.code.names.get(entry, f"{entry:#x}")
        if veneer := _VENEER.fullmatch(name):
            return self.of(veneer[1])
        if name in self.stated:
            return self.stated[name]
        if entry in self._open:
            raise BuildError(f"the stack has no bound: {name} calls itself")
        if entry not in self._known:
            self._open.append(entry)
            self._known[entry] = self._followed(entry, name)
            self._open.pop()
        return self._known[entry]

    def _followed(self, entry: int, name: str) -> int:
        depths = {entry: 0}  # before each instruction that can be reached
        waiting = [entry]
        deepest = 0
        while waiting:
            address = waiting.pop()
            instruction = self.code.instructions.get(address, _NO_CODE)
            if instruction.fault:
                raise BuildError(f"the stack has no bound: {name} at {address:#x} {instruction.fault}")
            depth = depths[address] + instruction.pushes
            within, called = self._goes_on(instruction, entry, name)
            deepest = max(deepest, depth, *(depth + self._need(other) for other in called))
            for successor in within:
                if successor not in depths:
                    depths[successor] = depth
                    waiting.append(successor)
                elif depths[successor] != depth:
                    raise BuildError(f"the stack has no bound: {name} at {address:#x} pushes in a loop")
        return deepest

    def _goes_on(self, instruction: Instruction, entry: int, name: str) -> tuple[list[int], list[int]]:
        """Where an instruction leads within its function, and the functions that it calls or ends in."""
        within = [] if instruction.following is None else [instruction.following]
        if instruction.indirect:
            return within, self._pointed_at(name)
        if instruction.target is None:
            return within, []
        is_function = instruction.target in self.code.names
        if instruction.calls and not is_function:  # gcc's far jump on ARMv6-M, which saves lr before
            return [instruction.target], []
        if instruction.calls or (is_function and instruction.target != entry):
            return within, [instruction.target]
        return [*within, instruction.target], []

    def _pointed_at(self, caller: str) -> list[int]:
        """Where the pointers of a function of the harness can lead."""
        if caller not in self.pointers:
            raise BuildError(f"the stack has no bound: {caller} calls where a register points")
        pattern = re.compile(self.pointers[caller])
        return [address for address, name in self.code.names.items() if pattern.fullmatch(name)]
