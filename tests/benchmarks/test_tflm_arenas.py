"""The arena of TFLite Micro beside ours in the engine's benchmark."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.engine.models import models
from benchmarks.engine.tflm_arenas import head_bytes, read_arenas
from mcu_nas.operators import Activation
from mcu_nas.quantize.synthetic import random_graph
from mcu_nas.spaces.builder import NetworkBuilder
from mcu_nas.tflite.reference import reference_available
from mcu_nas.tflite.writer import serialize_tflite


@pytest.mark.skipif(not reference_available(), reason="tflite-micro is not installed")
def test_a_chain_takes_its_largest_input_and_output() -> None:
    builder = NetworkBuilder()
    x = builder.input("pixels", (1, 16, 16, 4))
    x = builder.conv("first", x, 16, 3, 1, Activation.RELU6)
    x = builder.conv("second", x, 8, 3, 2, Activation.RELU6)
    graph = random_graph(builder.build(x), np.random.default_rng(0))
    assert head_bytes(serialize_tflite(graph)) == 16 * 16 * 4 + 16 * 16 * 16


def test_every_model_of_the_benchmark_has_one() -> None:
    assert {model.name for model in models()} <= read_arenas().keys()
