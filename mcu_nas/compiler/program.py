"""Program: a model as kernel calls at fixed arena offsets, which is all that the C emitter reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from mcu_nas.compiler.c_text import c_identifier
from mcu_nas.compiler.generators.generated import GeneratedKernel, Refusal
from mcu_nas.compiler.kernel_calls import KernelCall, kernel_call
from mcu_nas.compiler.passes.pipeline import run_passes
from mcu_nas.compiler.planner import Optimize, Plan, plan, plan_formats
from mcu_nas.compiler.shared_functions import with_shared_functions
from mcu_nas.compiler.target import PORTABLE, Target
from mcu_nas.compiler.tensor_formats import Refused
from mcu_nas.errors import UnsupportedError
from mcu_nas.graph import Graph, holds_pixels
from mcu_nas.network import Network, op_macs

MAX_ARENA_BYTES = 2**31 - 1  # offsets are ints in the C
MAX_LAYER_MACS = 2**32 - 1  # struct mcu_layer counts them in 32 bits


class Encoding(StrEnum):
    """What a model's users hold for an input or output, int8 in the arena (``enum mcu_encoding``).

    PIXEL_U8: pixels 0 to 255, or whatever the .tflite has as uint8; int8 + 128, i.e. each byte XOR 0x80.
    """

    INT8 = "int8"
    PIXEL_U8 = "pixel_u8"

    @property
    def macro(self) -> str:
        """Its enumerator in C."""
        return "MCU_UINT8" if self is Encoding.PIXEL_U8 else "MCU_INT8"


@dataclass(frozen=True)
class Program:
    """A compiled model.

    ``name`` is a C identifier, the prefix of every symbol; ``model_hash`` the first 16 hex digits of the
    SHA-256 of the .tflite file; ``calls`` run in order. ``refused``: kernels that the plan had to do without.
    ``keeps_inputs``: a run leaves its inputs in the arena as they are; else it may overwrite them.
    """

    graph: Graph
    plan: Plan
    name: str
    model_hash: str
    input_encodings: tuple[Encoding, ...]
    output_encodings: tuple[Encoding, ...]
    calls: tuple[KernelCall, ...]
    refused: Refused = frozenset()
    keeps_inputs: bool = False

    @property
    def macro(self) -> str:
        """Prefix of the header's macros: the name in upper case."""
        return self.name.upper()

    @property
    def arena_bytes(self) -> int:
        """Bytes of the arena, exact."""
        return self.plan.arena_bytes

    def plan_for(self, optimize: Optimize) -> Plan:
        """The plan for speed or for memory, beside the one that was taken."""
        network = self.graph.network
        network = _ending_with_inputs(network) if self.keeps_inputs else network
        found = plan(network, optimize, self.plan.target, refused=self.refused)
        return plan_formats(network, found, self.refused)

    def kernel_stems(self) -> list[str]:
        """Stems of the C kernels used, in order of first use."""
        used = (call for call in self.calls if not self.is_view(call) and call.generated is None)
        return list(dict.fromkeys(call.kernel.stem for call in used))

    @property
    def generated(self) -> tuple[GeneratedKernel, ...]:
        """The functions in assembly, in the order of the layers; those that share one name it each."""
        return tuple(call.generated for call in self.calls if call.generated is not None)

    def layers_of(self, symbol: str) -> list[int]:
        """The numbers of the calls that run a function in assembly."""
        functions = [call.generated and call.generated.symbol for call in self.calls]
        return [number for number, function in enumerate(functions) if function == symbol]

    def is_view(self, call: KernelCall) -> bool:
        """Whether a call's output is its input's memory under another name: no code is run for it."""
        return self.plan.is_view(call.op, call.kernel)

    def constants(self) -> Iterator[tuple[int, str]]:
        """(call number, member name) of each array that goes to flash."""
        for number, call in enumerate(self.calls):
            for member in call.arrays:
                yield number, member

    @property
    def constants_bytes(self) -> int:
        """Bytes of all constant arrays: weights, biases, requantization factors."""
        return sum(array.nbytes for call in self.calls for array in call.arrays.values())


def compile_graph(
    graph: Graph,
    name: str,
    model_hash: str,
    input_encoding: Encoding | None = None,
    *,
    optimize: Optimize = Optimize.MEMORY,
    target: Target = PORTABLE,
    room_bytes: int = 0,
    keep_inputs: bool = False,
    as_given: bool = False,
) -> Program:
    """Run the passes, choose kernels, plan the arena and compute every kernel's arguments.

    ``optimize``, ``target`` and ``room_bytes`` are the planner's. ``name`` is made a C identifier. Without
    ``input_encoding`` an input that is uint8 in the .tflite or quantized as pixels (scale 1/255 or 1, zero
    point -128) takes pixels, any other its own int8 values. ``keep_inputs`` plans an arena in which the
    inputs survive a run, ``as_given`` leaves the passes out.

    Raises:
        UnsupportedError: an operator or a value that this version cannot compile; names the operator.
    """
    if not graph.network.ops:
        raise UnsupportedError("the model has no operators")
    given = graph.network
    graph = graph if as_given else run_passes(graph).graph
    network = graph.network
    planned_network = _ending_with_inputs(network) if keep_inputs else network
    name = c_identifier(name)
    refused: Refused = frozenset()
    while True:  # each round refuses more: the kernels in C never refuse
        planned = plan(planned_network, optimize, target, room_bytes, refused)
        if planned.arena_bytes > MAX_ARENA_BYTES:
            raise UnsupportedError(f"the model needs an arena of {planned.arena_bytes:,} B: 2 GiB or more")
        planned = plan_formats(planned_network, planned, refused)
        calls, further = _calls(graph, planned, name, given)
        if not further:
            break
        refused |= further
    inputs = tuple(
        input_encoding or _encoding(graph, tensor, uint8=position in graph.uint8_inputs)
        for position, tensor in enumerate(network.inputs)
    )
    outputs = tuple(
        Encoding.PIXEL_U8 if position in graph.uint8_outputs else Encoding.INT8
        for position in range(len(network.outputs))
    )
    calls = _sharing_functions(calls)
    return Program(graph, planned, name, model_hash, inputs, outputs, calls, refused, keep_inputs)


def _sharing_functions(calls: tuple[KernelCall, ...]) -> tuple[KernelCall, ...]:
    """The calls, in which layers whose functions in assembly are the same run one."""
    shared = with_shared_functions(call.generated for call in calls if call.generated is not None)
    return tuple(call if call.generated is None else replace(call, generated=next(shared)) for call in calls)


def _calls(graph: Graph, planned: Plan, name: str, given: Network) -> tuple[tuple[KernelCall, ...], Refused]:
    """The calls of a plan, and which of its kernels refuse their operator's weights."""
    network = graph.network
    calls: list[KernelCall] = []
    refused: set[tuple[int, str]] = set()
    for number, (op, kernel) in enumerate(zip(network.ops, planned.kernels, strict=True)):
        try:
            if op_macs(network, op) > MAX_LAYER_MACS:
                raise UnsupportedError(f"{op_macs(network, op):,} MACs in one layer: 2^32 or more")
            symbol = f"{name}_layer_{number:02d}"
            descending, loads = number in planned.descending, planned.target.loads
            calls.append(kernel_call(graph, op, kernel, symbol, descending=descending, loads=loads))
        except Refusal:
            refused.add((number, kernel.name))
        except UnsupportedError as error:
            output = network.tensors[op.outputs[0]].name
            number = _number_of(given, output, number)
            raise UnsupportedError(f"op {number} {op.tflite_name} (output {output!r}): {error}") from error
    return tuple(calls), frozenset(refused)


def _number_of(given: Network, output: str, otherwise: int) -> int:
    """The number, in the graph as given, of the operator that writes the tensor of a name."""
    names = [given.tensors[op.outputs[0]].name for op in given.ops]
    return names.index(output) if output in names else otherwise


def _ending_with_inputs(network: Network) -> Network:
    """The network with its inputs among its outputs: to the planner, both live until the last operator."""
    return replace(network, outputs=tuple(dict.fromkeys((*network.outputs, *network.inputs))))


def _encoding(graph: Graph, tensor: int, *, uint8: bool) -> Encoding:
    """Of an input that is ``uint8`` in the .tflite, or else by its quantization."""
    pixels = uint8 or holds_pixels(graph.quantization[tensor])
    return Encoding.PIXEL_U8 if pixels else Encoding.INT8
