"""tflite-micro on the host: what every kernel and every compiled model must equal."""

from __future__ import annotations

import numpy as np
import pytest

from mcu_nas.graph import Graph
from mcu_nas.tflite import reference
from mcu_nas.tflite.writer import serialize_tflite

if not reference.reference_available():
    pytest.skip("tflite-micro is not installed", allow_module_level=True)


def reference_outputs(graph: Graph, *inputs: np.ndarray) -> np.ndarray:
    """tflite-micro's output for N samples, int8 (N, ...), from int8 (N, ...) per input; several outputs
    flattened, one after another, as HostModel gives them: (N, bytes).
    """
    return joined(reference.reference_outputs(serialize_tflite(graph), *inputs))


def joined(outputs: tuple[np.ndarray, ...]) -> np.ndarray:
    """The outputs of a model as HostModel gives them."""
    if len(outputs) == 1:
        return outputs[0]
    return np.concatenate([values.reshape(len(values), -1) for values in outputs], axis=1)


def sample_inputs(graph: Graph, count: int, seed: int) -> list[np.ndarray]:
    """Per input int8 (count + 3, ...): all -128, all 127, all 0, then random values."""
    rng = np.random.default_rng(seed)
    arrays = []
    for tensor in graph.network.inputs:
        shape = graph.network.shape(tensor)[1:]
        flat = [np.full((1, *shape), value, np.int8) for value in (-128, 127, 0)]
        arrays.append(np.concatenate([*flat, rng.integers(-128, 128, (count, *shape), dtype=np.int8)]))
    return arrays


def assert_same_outputs(got: np.ndarray, expected: np.ndarray, *inputs: np.ndarray) -> None:
    """Equal byte for byte; otherwise the first difference with its sample's input."""
    assert got.shape == expected.shape
    different = np.argwhere(got != expected)
    if len(different):
        first = tuple(different[0])
        sample = [array[first[0]].reshape(-1)[:32].tolist() for array in inputs]
        pytest.fail(
            f"{len(different)} of {got.size} outputs differ; first at {first}: got {got[first]}, "
            f"expected {expected[first]}; input starts {sample}"
        )
