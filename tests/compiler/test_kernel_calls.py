"""Integer parameters of kernels, the bounds they refuse, and the sanitized arena that can fail."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mcu_nas.compiler.program import compile_graph
from mcu_nas.compiler.requantize import Multiplier, activation_range, quantize_multiplier
from mcu_nas.devices.host import HostModel
from mcu_nas.errors import JobError, UnsupportedError
from mcu_nas.graph import Quantization
from mcu_nas.operators import Activation
from tests.graphs import GraphMaker


@pytest.mark.parametrize(
    ("real", "expected"),
    [
        (0.0, Multiplier(0, 0)),
        (0.5, Multiplier(2**30, 0)),
        (1.0, Multiplier(2**30, 1)),
        (0.75 * 2.0**-7, Multiplier(3 * 2**29, -7)),
        (1.0 - 2.0**-40, Multiplier(2**30, 1)),  # rounds up to 2^31, which does not fit
        (2.0**-33, Multiplier(0, 0)),  # below what a shift of 31 reaches
    ],
)
def test_factors_are_quantized_as_tflite_does(real, expected):
    assert quantize_multiplier(real) == expected


def test_factor_too_large_is_refused():
    with pytest.raises(UnsupportedError, match="2\\^30 or more"):
        quantize_multiplier(2.0**31)


@pytest.mark.parametrize(
    ("activation", "scale", "zero_point", "expected"),
    [
        (Activation.NONE, 0.1, 5, (-128, 127)),
        (Activation.RELU, 0.1, 5, (5, 127)),
        (Activation.RELU6, 0.1, 5, (5, 65)),
        (Activation.RELU6, 6 / 255, -128, (-128, 127)),
    ],
)
def test_activations_become_int8_ranges(activation, scale, zero_point, expected):
    assert activation_range(activation, Quantization((float(np.float32(scale)),), (zero_point,))) == expected


@pytest.mark.parametrize("scale", [2.0**-30, 1e-45])
def test_scale_too_fine_for_relu6_is_refused(scale):
    with pytest.raises(UnsupportedError, match="is too fine for RELU6"):
        activation_range(Activation.RELU6, Quantization((scale,), (0,)))


@pytest.mark.parametrize("kernel", [(1, 1), (3, 3)])
def test_bias_that_can_overflow_the_accumulator_is_refused_with_op_and_channel(kernel):
    maker = GraphMaker(0)
    x = maker.activation("pixels", (1, 4, 4, 3))
    out = maker.conv(x, 5, kernel)
    maker.constants[maker.ops[0].inputs[2]][3] = 2**31 - 1
    with pytest.raises(UnsupportedError, match=r"op 0 CONV_2D \(output 'out0'\): channel 3: .* overflow"):
        compile_graph(maker.graph((x,), (out,)), "model", "0" * 16)


def test_arena_one_byte_too_small_is_caught_on_the_host():
    maker = GraphMaker(0)
    x = maker.activation("pixels", (1, 5, 5, 3))
    program = compile_graph(maker.graph((x,), (maker.conv(x, 7, (3, 3)),)), "model", "0" * 16)
    inputs = np.zeros((1, 5, 5, 3), np.int8)
    HostModel(program, sanitize=True).run(inputs)
    small = dataclasses.replace(program.plan, arena_bytes=program.arena_bytes - 1)
    with pytest.raises(JobError, match="AddressSanitizer"):
        HostModel(dataclasses.replace(program, plan=small), sanitize=True).run(inputs)
