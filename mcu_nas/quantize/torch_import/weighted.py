"""Convolutions, linear layers and batch norms."""

from __future__ import annotations

import numpy as np

from mcu_nas.network import same_pad, shown
from mcu_nas.operators import Conv2D, DepthwiseConv2D, FullyConnected, Padding, TransposeConv
from mcu_nas.quantize.torch_import.elementwise import scaled_and_shifted
from mcu_nas.quantize.torch_import.movement import joined, sliced
from mcu_nas.quantize.torch_import.site import Site, Value

_MOST_GROUPS = 16  # a CONCATENATION joins no more


def convolution(site: Site) -> Value:
    """conv2d, padded by TFLite's SAME where that is torch's padding; groups are parts joined again."""
    source = site.image("input")
    weight = site.constant("weight")  # (O, I / groups, KH, KW)
    assert weight is not None
    channels, groups = source.shape[0], site.arguments["groups"]
    bias = _bias(site, len(weight))
    geometry = site.pair("stride"), site.pair("dilation")
    source, padding = _padded(site, source, weight.shape[2:], *geometry)
    if groups == 1 or groups == channels:
        kind = Conv2D if groups == 1 else DepthwiseConv2D
        return _layer(site, kind, source, weight, bias, geometry, padding)
    if groups > _MOST_GROUPS:
        raise site.unsupported(f"groups={groups} of {channels} channels: {_MOST_GROUPS}, or one a channel")
    outputs, inputs = len(weight) // groups, channels // groups
    parts = []
    for group in range(groups):
        place = site.part(f"group{group}")
        part = sliced(place, source, {3: group * inputs}, (inputs, *source.shape[1:]))
        own = slice(group * outputs, (group + 1) * outputs)
        parts.append(_layer(place, Conv2D, part, weight[own], bias[own], geometry, padding))
    return joined(site, parts, 3)


def _layer(
    site: Site,
    kind: type[Conv2D | DepthwiseConv2D],
    source: Value,
    weight: np.ndarray,
    bias: np.ndarray,
    geometry: tuple[tuple[int, int], tuple[int, int]],
    padding: Padding,
) -> Value:
    """One convolution; weight (O, I, KH, KW), or (O, 1, KH, KW) of a depthwise one."""
    stride, dilation = geometry
    order = (0, 2, 3, 1) if kind is Conv2D else (1, 2, 3, 0)
    weights = site.build.weights(f"{site.name}.weights", weight.transpose(order))
    inputs = (source.tensor, weights, site.build.bias(f"{site.name}.bias", bias))
    return site.append(
        lambda out: kind(inputs, (out,), stride, padding, dilation=dilation),
        (len(weight), *site.shape[1:]),
    )


def _padded(
    site: Site,
    image: Value,
    kernel: tuple[int, ...],
    stride: tuple[int, int],
    dilation: tuple[int, int],
) -> tuple[Value, Padding]:
    """The image to convolve, padded where neither SAME nor VALID is what torch does."""
    given = site.arguments["padding"]
    sides = list(zip(image.shape[1:], kernel, stride, dilation, strict=True))
    same = [same_pad(*side) for side in sides]
    if given in ("same", "valid"):
        return image, Padding.SAME if given == "same" else Padding.VALID
    pads = site.pair("padding")
    edges = [
        needed_padding(size, (k - 1) * d + 1, s, pad, out)
        for (size, k, s, d), pad, out in zip(sides, pads, site.shape[1:], strict=True)
    ]
    if not any(map(any, edges)):
        return image, Padding.VALID
    if edges == same:
        return image, Padding.SAME
    return site.padded(image, *edges[0], *edges[1]), Padding.VALID


def needed_padding(size: int, window: int, stride: int, pad: int, outputs: int) -> tuple[int, int]:
    """Of torch's padding (before, after) of one axis what any window reaches."""
    return pad, max((outputs - 1) * stride + window - size - pad, 0)


def _bias(site: Site, outputs: int) -> np.ndarray:
    bias = site.constant("bias")
    return np.zeros(outputs) if bias is None else bias


def transposed_convolution(site: Site) -> Value:
    """conv_transpose2d; what torch's padding cuts off is sliced away where SAME cuts otherwise."""
    source = site.image("input")
    weight = site.constant("weight")  # (I, O, KH, KW)
    assert weight is not None
    if site.arguments["groups"] != 1 or site.pair("dilation") != (1, 1):
        raise site.unsupported("it has groups or a dilation")
    stride, pads, wanted = site.pair("stride"), site.pair("padding"), site.shape
    sides = list(zip(source.shape[1:], wanted[1:], weight.shape[2:], stride, pads, strict=True))
    full = tuple((size - 1) * s + k for size, _, k, s, _ in sides)
    same = all(-(-out // s) == size and same_pad(out, k, s)[0] == pad for size, out, k, s, pad in sides)
    if not same and any(pad + out > most for (_, out, _, _, pad), most in zip(sides, full, strict=True)):
        raise site.unsupported("its output_padding reaches beyond what its padding cuts off")
    shape = wanted if same else (wanted[0], *full)
    bias = site.build.bias(f"{site.name}.bias", _bias(site, wanted[0]))
    weights = site.build.weights(f"{site.name}.weights", weight.transpose(1, 2, 3, 0))
    size = site.build.integers(f"{site.name}.size", site.ours(shape))
    padding = Padding.SAME if same else Padding.VALID
    inputs = (size, weights, source.tensor, bias)
    result = site.append(lambda out: TransposeConv(inputs, (out,), stride, padding), shape, "full")
    return result if shape == wanted else sliced(site, result, {1: pads[0], 2: pads[1]}, wanted)


def linear(site: Site) -> Value:
    """linear on rows; columns follow a flattened image into the network's order."""
    source = site.value("input")
    if len(source.shape) != 1:
        raise site.unsupported(f"it takes {shown(source.shape)} values: flatten them to a row before it")
    weight = site.constant("weight")  # (O, I)
    assert weight is not None
    if source.image:
        channels_last = weight.reshape(len(weight), *source.image).transpose(0, 2, 3, 1)
        weight = channels_last.reshape(weight.shape)
    weights = site.build.weights(f"{site.name}.weights", weight)
    bias = site.build.bias(f"{site.name}.bias", _bias(site, len(weight)))
    return site.append(lambda out: FullyConnected((source.tensor, weights, bias), (out,)), site.shape)


def batch_norm(site: Site) -> list[Value]:
    """batch_norm in evaluation mode: a scale and a shift a channel."""
    mean, variance = site.constant("running_mean"), site.constant("running_var")
    if mean is None or variance is None:
        raise site.unsupported("it has no running statistics (track_running_stats=False)")
    scale = 1.0 / np.sqrt(variance + site.arguments["eps"])
    weight, bias = site.constant("weight"), site.constant("bias")
    if weight is not None:
        scale = scale * weight
    shift = (0.0 if bias is None else bias) - mean * scale
    return [scaled_and_shifted(site, site.value("input"), scale, shift)]
