"""What follows from a model file and a board alone: what a card says of them, and what a test recomputes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

from mcu_nas.boards import Board
from mcu_nas.compiler.passes.pipeline import run_passes
from mcu_nas.cost.audit import PlanFigures, audit
from mcu_nas.cost.core_profile import load_core_profile
from mcu_nas.cost.estimate import latency
from mcu_nas.cost.input_outside import arena_without_input
from mcu_nas.graph import Graph
from mcu_nas.network import Network, op_macs
from mcu_nas.operators import Add, Conv2D, DepthwiseConv2D, FullyConnected, Op
from mcu_nas.tflite.reader import read_tflite


def model_figures(model: Path, board: Board) -> dict[str, Any]:
    """Hash, interface, blocks, costs and memory of an int8 .tflite; the keys are those of a card's ``model``
    (docs/json.md). Peaks, MACs and layers are those after the compiler's passes, which is what runs.

    Raises:
        ModelError, UnsupportedError: the file cannot be read or compiled.
        BoardError: the board's core has no profile.
    """
    data, given = model.read_bytes(), read_tflite(model)
    passed = run_passes(given)
    profile = load_core_profile(board.core)
    audited = audit(passed.graph.network, board, profile)
    taken = next(figures for figures in audited.plans if figures.taken)
    return {
        "sha256": hashlib.sha256(data).hexdigest(),
        "tflite_bytes": len(data),
        **_interface(given),
        "blocks": list(_blocks(given.network)),
        "macs": audited.macs,
        "weights_bytes": audited.weight_bytes,
        "constants_bytes": audited.constants_bytes,
        "code_bytes_estimated": audited.code_bytes,
        "flash_bytes_estimated": audited.flash_bytes,
        "optimize": audited.plan.optimize.value,
        "instruction_set": audited.plan.target.instruction_set.value,
        "weights": audited.plan.target.weights.value,
        "plans": [_plan(passed.graph.network, figures) for figures in audited.plans],
        "peak_bytes": dict(audited.peak_bytes),
        "live_without_input_bytes": audited.live_without_input_bytes,
        "latency": {
            "kind": "estimated",
            "board": board.name,
            **asdict(latency(taken.instructions_estimated, profile, board.clock_hz)),
        },
        "layers": [
            {**asdict(row), "output_shape": list(row.output_shape), "memory_bytes": dict(row.memory_bytes)}
            for row in audited.rows
        ],
    }


def _interface(graph: Graph) -> dict[str, Any]:
    (entry,), (result,) = graph.network.inputs, graph.network.outputs
    return {
        "input": {
            "shape": list(graph.network.shape(entry)),
            "scale": graph.quantization[entry].scale,
            "zero_point": graph.quantization[entry].zero_point,
        },
        "output": {
            "shape": list(graph.network.shape(result)),
            "scale": graph.quantization[result].scale,
            "zero_point": graph.quantization[result].zero_point,
        },
        "labels": list(graph.labels),
    }


def _plan(network: Network, figures: PlanFigures) -> dict[str, Any]:
    return {**figures.as_json(), "arena_without_input_bytes": arena_without_input(network, figures.plan)}


def _blocks(network: Network) -> Iterator[dict[str, Any]]:
    """The layers of one name before the last dot (``stage1.block2``), as one line each."""
    for name, group in groupby(network.ops, lambda op: _block_of(network, op)):
        ops = list(group)
        yield {
            "block": name,
            "layers": ", ".join(_described(network, op) for op in ops),
            "output_shape": list(network.shape(ops[-1].outputs[0])),
            "macs": sum(op_macs(network, op) for op in ops),
        }


def _block_of(network: Network, op: Op) -> str:
    layer = network.tensors[op.outputs[0]].name.removesuffix(".out")
    block, dot, _ = layer.rpartition(".")
    return block if dot else layer


def _described(network: Network, op: Op) -> str:
    channels = network.shape(op.outputs[0])[-1]
    match op:
        case Conv2D() | DepthwiseConv2D():
            _, height, width, _ = network.shape(op.inputs[1])
            kind = "depthwise" if isinstance(op, DepthwiseConv2D) else "conv"
            stride = f" stride {op.stride[0]}" if op.stride != (1, 1) else ""
            return f"{kind} {height}×{width}{stride} to {channels}"
        case FullyConnected():
            return f"fully connected to {channels}"
        case Add():
            return "sum with the block's input"
        case _:
            return op.tflite_name.lower()
