"""Random models in our C, sanitized and poisoned, beside tflite-micro: what was refused, what differs."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from mcu_nas.compiler.planner import Optimize
from mcu_nas.compiler.program import Program, compile_graph
from mcu_nas.compiler.target import PORTABLE, Target
from mcu_nas.devices.host import HostModel, SanitizedModels
from mcu_nas.errors import JobError, ModelError
from mcu_nas.graph import Graph
from mcu_nas.tflite.reader import parse_tflite
from mcu_nas.tflite.writer import serialize_tflite
from tests.random_models.model import random_model
from tests.reference import reference_outputs, sample_inputs

RANDOM_SAMPLES = 5  # besides three of extremes
POISONED_ONE_IN = 8


@dataclass(frozen=True)
class Outcome:
    """What became of a model: refused, by our compiler or by tflite-micro, or compared; ``difference`` says
    where it differs.
    """

    seed: int
    operators: tuple[str, ...]
    kernels: tuple[str, ...] = ()
    refusal: str | None = None
    difference: str | None = None


def compare(seeds: Iterable[int]) -> Iterator[Outcome]:
    """The outcome of each model; the sanitized ones share an executable."""
    drawn = [(seed, random_model(seed)) for seed in seeds]
    compiled: list[tuple[int, Graph, Program]] = []
    for seed, graph in drawn:
        try:
            compiled.append((seed, graph, compile_model(seed, graph)))
        except ModelError as error:
            yield Outcome(seed, _operators(graph), refusal=reason(str(error)))
    if not compiled:
        return
    sanitized = SanitizedModels([program for _, _, program in compiled])
    for number, (seed, graph, program) in enumerate(compiled):
        inputs = sample_inputs(graph, RANDOM_SAMPLES, seed)
        try:
            expected = reference_outputs(graph, *inputs)
        except RuntimeError as error:  # e.g. bias scales of factors beyond 2^18, whose rounding it objects to
            yield Outcome(seed, _operators(graph), refusal=f"tflite-micro: {error}")
            continue
        try:
            difference = differs(sanitized.run(number, *inputs), expected)
            if difference is None and seed % POISONED_ONE_IN < 2:
                difference = differs(HostModel(program, poison=True).run(*inputs), expected)
        except JobError as error:
            difference = str(error)
        if difference is not None:
            difference += f"; {first_wrong_operator(graph, inputs)}"
        kernels = tuple(call.kernel.name for call in program.calls)
        yield Outcome(seed, _operators(graph), kernels, difference=difference)


def compile_model(seed: int, graph: Graph, target: Target = PORTABLE) -> Program:
    """The model through its .tflite and all passes, by turns for memory and for speed; some keep inputs.

    Raises:
        ModelError: it is refused.
    """
    read = parse_tflite(serialize_tflite(graph), "random.tflite")
    # Also what a pass would drop: tflite-micro aborts the process on a dead operator beyond its arithmetic.
    compile_graph(read, "given", "0" * 16, as_given=True)
    optimize = Optimize.SPEED if seed // 2 % 2 else Optimize.MEMORY
    keep_inputs = seed % 10 >= 8
    return compile_graph(
        read, f"model{seed}", "0" * 16, optimize=optimize, target=target, keep_inputs=keep_inputs
    )


def differs(got: np.ndarray, expected: np.ndarray) -> str | None:
    """The first difference, None where all bytes are equal."""
    assert got.shape == expected.shape
    different = np.argwhere(got != expected)
    if not len(different):
        return None
    first = tuple(different[0].tolist())
    values = f"got {got[first]}, expected {expected[first]}"
    return f"{len(different)} of {got.size} bytes differ, first at {first}: {values}"


def first_wrong_operator(graph: Graph, inputs: list[np.ndarray]) -> str:
    """Which operator of a graph computes something else, without passes, and each result an output."""
    written = tuple(tensor for op in graph.network.ops for tensor in op.outputs)
    opened = dataclasses.replace(graph, network=dataclasses.replace(graph.network, outputs=written))
    expected = reference_outputs(opened, *inputs).reshape(len(inputs[0]), -1)
    program = compile_graph(opened, "opened", "0" * 16, as_given=True)
    try:
        got = SanitizedModels([program]).run(0, *inputs).reshape(expected.shape)
    except JobError as error:
        return f"without passes: {error}"
    position = 0
    for number, op in enumerate(graph.network.ops):
        size = graph.network.tensors[op.outputs[0]].bytes
        part = slice(position, position + size)
        difference = differs(got[:, part], expected[:, part])
        if difference is not None:
            return f"op {number} {op.tflite_name}: {difference}"
        position += size
    return "each operator alone is right: passes or memory plan"


def reason(message: str) -> str:
    """A refusal as the operator's name and its reason, numbers and names left out."""
    text = re.sub(r"^.*?op \d+ (\w+) \(output '.*?'\): ", r"\1: ", message.removeprefix("random.tflite: "))
    return re.sub(r"(?<![\^\w.])-?\d+(\.\d+)?(e[-+]?\d+)?(?!\^|\w)", "N", re.sub(r"'.*?'", "X", text))


def _operators(graph: Graph) -> tuple[str, ...]:
    return tuple(op.tflite_name for op in graph.network.ops)
