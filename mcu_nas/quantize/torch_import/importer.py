"""A PyTorch module as a FloatNetwork of the same function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.export import ExportedProgram
from torch.fx import Node
from torch.fx.node import map_arg

from mcu_nas.errors import UnsupportedError
from mcu_nas.quantize.execution import execute, pixels_of
from mcu_nas.quantize.float_network import FloatNetwork, FloatNetworkBuilder
from mcu_nas.quantize.folding import fold
from mcu_nas.quantize.torch_import.forward import module_outputs
from mcu_nas.quantize.torch_import.site import Site, Value
from mcu_nas.quantize.torch_import.table import BUILDERS
from mcu_nas.quantize.torch_import.trace import Call, calls, constants, trace

_TOLERANCE = 1e-3  # of the largest output: float rounding in another order, far above it
_SMALLEST = 1e-6


@dataclass(frozen=True)
class ImportedModule:
    """What import_module gives: ``notes`` say where it departs from the module."""

    network: FloatNetwork
    notes: tuple[str, ...]


def import_module(module: nn.Module, shape: tuple[int, int, int], white: float = 1.0) -> ImportedModule:
    """The float network of a module in evaluation mode that takes images of ``shape`` (H, W, C).

    The module gets float (N, C, H, W) with pixel / 255 * ``white``. Its last log_softmax is left out, which
    changes no decision; the rest computes what the module does, which is checked on random images.

    Raises:
        ModelError: the module does not take such images, or does what cannot be traced.
        UnsupportedError: something in it has no operator; the message names it and its path in the model.
    """
    height, width, channels = shape
    program = trace(module, (channels, height, width))
    build = FloatNetworkBuilder()
    source = build.activation("pixels", (1, height, width, channels))
    result, notes = _built(program, build, Value(source, (channels, height, width)))
    if len(result.shape) == 3 and result.shape[1:] != (1, 1):
        raise UnsupportedError("the model returns an image; a value for each class is supported")
    network = fold(build.build(source, result.tensor, white))
    _check_equal(module, network, shape, normalised=bool(notes))
    return ImportedModule(network, notes)


def _built(
    program: ExportedProgram, build: FloatNetworkBuilder, pixels: Value
) -> tuple[Value, tuple[str, ...]]:
    """Every call of a program as operators; the program's result, and notes."""
    constant = constants(program)
    values: dict[Node, Any] = {
        node: constant.get(node.name, pixels) for node in program.graph.nodes if node.op == "placeholder"
    }
    (output,) = (node for node in program.graph.nodes if node.op == "output")
    if program.graph_signature.user_inputs_to_mutate or program.graph_signature.buffers_to_mutate:
        raise UnsupportedError("the model writes into its input or its buffers: it must only read them")
    ((last,),) = output.args
    notes: list[str] = []
    names: set[str] = set()
    call: Call | None = None
    for call in calls(program):
        if call.name == "log_softmax" and call.node is last:
            notes.append("the log_softmax at the end is left out: its logits decide alike")
            values[call.node] = values[call.node.args[0]]
        else:
            values[call.node] = _result(call, values, build, _name(call, names))
    result = values.get(last)
    if call is None or not isinstance(result, Value):
        raise UnsupportedError("the model's output does not depend on its input, or is its input")
    return Site(call, {}, build, "output").in_torch_order(result), tuple(notes)


def _result(call: Call, values: dict[Node, Any], build: FloatNetworkBuilder, name: str) -> Any:
    """What a call gives: values, or a constant where all that it takes is constant."""
    if call.name == "getitem":
        arguments = {"self": call.node.args[0], "index": call.node.args[1]}
    else:
        arguments = call.arguments()
    given = {key: map_arg(argument, values.__getitem__) for key, argument in arguments.items()}
    if not any(isinstance(values[node], Value | list) for node in call.node.all_input_nodes):
        args = map_arg(call.node.args, values.__getitem__)
        return call.node.target(*args, **map_arg(call.node.kwargs, values.__getitem__))  # type: ignore[operator]
    if call.name not in BUILDERS:
        raise call.unsupported(f"no operator for {call.name}: see `mcu-nas quantize --functions`")
    try:
        return BUILDERS[call.name](Site(call, given, build, name))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise call.unsupported("not with arguments of this kind") from error


def _name(call: Call, taken: set[str]) -> str:
    """What the call's tensors are called: the module's path, the call's own name where that is no leaf's."""
    own = call.path if call.what.startswith("nn.") else ".".join(filter(None, (call.path, call.node.name)))
    name = own if own not in taken else f"{own}.{call.node.name}"
    taken.add(name)
    return name


def _check_equal(
    module: nn.Module, network: FloatNetwork, shape: tuple[int, int, int], *, normalised: bool
) -> None:
    """Compares module and network on random images; ``normalised``: the module ends with a log_softmax."""
    images = np.random.default_rng(0).integers(0, 256, (4, *shape), np.uint8)
    expected = torch.from_numpy(module_outputs(module, images, network.white))
    got = execute(network, pixels_of(images, network.white)).flatten(1)
    got = torch.log_softmax(got, 1) if normalised else got
    worst = float((got - expected).abs().max())
    if not worst <= _TOLERANCE * float(expected.abs().max()) + _SMALLEST:
        raise UnsupportedError(
            f"the imported network differs from the model by {worst:.3g} on random images: the model depends"
            " on something that tracing cannot see (random numbers, the batch, its own state)"
        )
