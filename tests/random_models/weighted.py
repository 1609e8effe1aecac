"""Random layers with weights: usual ones, saturated ones, ones with dead channels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mcu_nas.graph import Quantization
from mcu_nas.operators import Padding, Weighted, layer_inputs
from tests.movement import pad
from tests.random_models.draft import Draft
from tests.weighted_graphs import rows, transpose_conv, transposed_size

MOST_MACS = 400_000


def conv(draft: Draft) -> int | None:
    """CONV_2D of any window, stride or dilation; some 1×1."""
    x = draft.source(rank=4)
    if x is None:
        return None
    kernel = (1, 1) if draft.chance(0.3) else draft.pair(1, 5)
    channels = draft.integer(1, 24 if draft.chance(0.9) else 48)
    if kernel[0] * kernel[1] * draft.size(x) * channels > MOST_MACS:
        return None
    return _window(draft, x, kernel, lambda *how: draft.conv(x, channels, *how))


def depthwise(draft: Draft) -> int | None:
    """DEPTHWISE_CONV_2D of any window and multiplier."""
    x = draft.source(rank=4)
    if x is None:
        return None
    multiplier = draft.one_of([1, 1, 1, 2, 3])
    return _window(draft, x, draft.pair(1, 5), lambda *how: draft.depthwise(x, multiplier, *how))


def padded_conv(draft: Draft) -> int | None:
    """A PAD in front of a convolution without padding of its own."""
    x = draft.source(rank=4, largest=1500)
    if x is None:
        return None
    amounts = ((0, 0), draft.pair(0, 2), draft.pair(0, 2), (0, draft.one_of([0, 0, 0, 1])))
    padded = pad(draft, x, amounts, draft.one_of([None, None, None, 3]))
    draft.made.append(padded)
    height, width = draft.shape(padded)[1:3]
    kernel, stride = (min(3, height), min(3, width)), draft.pair(1, 2)
    if draft.chance(0.5):
        return _finished(draft, draft.depthwise(padded, 1, kernel, stride, Padding.VALID))
    return _finished(draft, draft.conv(padded, draft.integer(1, 12), kernel, stride, Padding.VALID))


def transposed(draft: Draft) -> int | None:
    """TRANSPOSE_CONV; the output is one of the sizes that a convolution would bring back to the input."""
    x = draft.source(rank=4, largest=800)
    if x is None:
        return None
    kernel, stride, padding = draft.pair(1, 4), draft.pair(1, 3), draft.one_of(list(Padding))
    axes = zip(draft.shape(x)[1:3], kernel, stride, draft.pair(0, 3), strict=True)
    height, width = (transposed_size(padding, *axis) for axis in axes)
    channels = draft.integer(1, 9)
    if kernel[0] * kernel[1] * draft.size(x) * channels > MOST_MACS or height * width > 900:
        return None
    out = (height, width, channels)
    per_channel = draft.chance(0.7)
    y = transpose_conv(draft, x, out, kernel, stride, padding, draft.fused(), per_channel)
    return _finished(draft, y)


def fully_connected(draft: Draft) -> int | None:
    """FULLY_CONNECTED of all values, or of each row."""
    x = draft.source()
    if x is None:
        return None
    features, per_channel = draft.integer(1, 24), draft.chance(0.4)
    if draft.chance(0.5):
        return _finished(draft, rows(draft, x, features, per_channel))
    return _finished(draft, draft.fully_connected(x, features, per_channel))


FAMILY = (conv, conv, depthwise, depthwise, padded_conv, transposed, fully_connected)


def _window(draft: Draft, x: int, kernel: tuple[int, int], build: Callable[..., int]) -> int:
    """A convolution whose window fits the image where it must."""
    padding = draft.one_of(list(Padding))
    stride = draft.pair(1, 3) if draft.chance(0.5) else (1, 1)
    dilation = draft.pair(1, 3) if stride == (1, 1) and draft.chance(0.3) else (1, 1)
    if padding is Padding.VALID:
        sides = zip(kernel, dilation, draft.shape(x)[1:3], strict=True)
        if any((taps - 1) * step + 1 > size for taps, step, size in sides):
            padding = Padding.SAME
    return _finished(draft, build(kernel, stride, padding, draft.fused(), dilation))


def _finished(draft: Draft, y: int) -> int:
    """The layer that writes ``y``, the latest one, with other constants and scales than GraphMaker's."""
    op = draft.ops[-1]
    assert isinstance(op, Weighted)
    if draft.chance(0.3):
        _kill_channels(draft, op)
    if draft.bold():
        _saturate(draft, op)
    if draft.bold():
        _rescale(draft, op)
    if draft.bold():
        draft.quantize_output(y, draft.scale(y), 3)
    return y


def _channels_first(draft: Draft, op: Weighted, weights: np.ndarray) -> np.ndarray:
    return np.moveaxis(weights, draft.quantization[op.inputs[1]].axis, 0)


def _kill_channels(draft: Draft, op: Weighted) -> None:
    """No weights in some channels; their bias may be anything."""
    _, weights_id, bias_id = layer_inputs(op)
    weights, bias = draft.constants[weights_id].copy(), draft.constants[bias_id].copy()
    dead = draft.rng.random(len(bias)) < draft.rng.uniform(0.1, 0.9)
    _channels_first(draft, op, weights)[dead] = 0
    bias[dead] = draft.rng.choice([-(2**30), -3000, 0, 0, 3000, 2**30], dead.sum())
    if weights.shape[0] > 1:  # not depthwise: input channels that nobody reads
        weights[..., draft.rng.random(weights.shape[-1]) < draft.one_of([0, 0, 0.4])] = 0
    draft.constants[weights_id], draft.constants[bias_id] = weights, bias


def _saturate(draft: Draft, op: Weighted) -> None:
    """Weights of the largest magnitude in one channel or all, biases up to the edge of int32."""
    _, weights_id, bias_id = layer_inputs(op)
    weights, bias = draft.constants[weights_id].copy(), draft.constants[bias_id].copy()
    chosen = draft.rng.random(len(bias)) < draft.one_of([0.3, 1.0])
    first = _channels_first(draft, op, weights)
    signs = draft.one_of([np.array([127]), np.array([-127]), np.array([-127, 127]), np.array([-128])])
    first[chosen] = draft.rng.choice(signs, first[chosen].shape)
    sums = 255 * np.abs(first.astype(np.int64)).reshape(len(bias), -1).sum(axis=1)
    largest = draft.one_of(
        [np.full(len(bias), 2.0 ** draft.rng.uniform(4, 30)), 2.0**31 - 1 - sums * draft.rng.uniform(0.8, 2)]
    )
    bias[chosen] = (largest * draft.one_of([-1, 1]))[chosen]
    draft.constants[weights_id], draft.constants[bias_id] = weights, bias


def _rescale(draft: Draft, op: Weighted) -> None:
    """Other weight scales: outputs that vanish, saturate, or factors of 1 and more."""
    source, weights, bias = layer_inputs(op)
    given = draft.quantization[weights]
    count = len(given.scales) if draft.chance(0.7) else 1
    spread = draft.rng.uniform(-30, 36) + draft.rng.uniform(-4, 4, count)
    scales = np.array(given.scales[:count], np.float32) * (2.0**spread).astype(np.float32)
    biases = np.float32(draft.scale(source)) * scales
    zeros = (0,) * count
    draft.quantization[weights] = Quantization(tuple(scales.tolist()), zeros, given.axis)
    draft.quantization[bias] = Quantization(tuple(biases.tolist()), zeros)
