"""What moves values without changing them: views, permutations, slices, padding, enlargement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from mcu_nas.network import shown
from mcu_nas.operators import Concatenation, ResizeNearestNeighbor, StridedSlice
from mcu_nas.quantize.torch_import.site import Site, Value
from mcu_nas.quantize.torch_import.trace import BATCH


def unchanged(site: Site) -> Any:
    """clone, detach, dropout in evaluation mode, ...: the same value under another name."""
    return site.arguments.get("self", site.arguments.get("input"))


def cast(site: Site) -> Any:
    """to and float, where the values are float32 anyway."""
    if site.call.node.meta["val"].dtype != torch.float32:
        raise site.unsupported("only float32 is")
    return unchanged(site)


def view(site: Site) -> Value:
    """view, reshape, flatten, squeeze, unsqueeze: torch's order of values, another shape."""
    return site.reshaped(site.value("self"), site.shape)


def permute(site: Site) -> Value:
    """permute and transpose of an image, the batch left where it is."""
    source = site.image("self")
    if "dims" in site.arguments:
        order = [d % 4 for d in site.arguments["dims"]]
    else:
        order = [0, 1, 2, 3]
        first, second = site.arguments["dim0"] % 4, site.arguments["dim1"] % 4
        order[first], order[second] = second, first
    if order[0] != 0:
        raise site.unsupported("it moves the batch")
    return site.permuted(source, tuple(order))


def concatenate(site: Site) -> Value:
    """cat of activations."""
    values = site.arguments["tensors"]
    if not all(isinstance(value, Value) for value in values):
        raise site.unsupported("it joins a constant to the image")
    return joined(site, values, site.axis(site.arguments["dim"], len(site.shape) + 1))


def joined(site: Site, values: Sequence[Value], axis: int) -> Value:
    """Values one after another along an axis of the network's."""
    inputs = tuple(site.in_torch_order(value).tensor for value in values)
    return site.append(lambda out: Concatenation(inputs, (out,), axis), site.shape)


def part(site: Site) -> Value:
    """slice along one dimension: x[:, a:b:step]."""
    source, dimension = site.value("self"), site.arguments["dim"] % (len(site.shape) + 1)
    if site.shape == source.shape:
        return source
    source = site.in_torch_order(source)
    size = source.shape[dimension - 1]
    begin = site.arguments["start"] or 0
    begin = max(0, begin + size if begin < 0 else begin)
    axis = site.axis(dimension, len(site.shape) + 1)
    return sliced(site, source, {axis: begin}, site.shape, site.arguments["step"])


def split(site: Site) -> list[Value]:
    """split and chunk: each part a slice."""
    source = site.in_torch_order(site.value("self"))
    dimension = site.arguments["dim"] % (len(source.shape) + 1)
    axis = site.axis(dimension, len(source.shape) + 1)
    parts, begin = [], 0
    for number, made in enumerate(site.call.node.meta["val"]):
        shape = tuple(made.shape[1:])
        parts.append(sliced(site.part(str(number)), source, {axis: begin}, shape))
        begin += shape[dimension - 1]
    return parts


def item(site: Site) -> Any:
    """One of several results."""
    results, index = site.arguments["self"], site.arguments["index"]
    if index >= len(results):
        raise site.unsupported("only its first result is")
    return results[index]


def sliced(site: Site, value: Value, begins: dict[int, int], shape: tuple[int, ...], step: int = 1) -> Value:
    """A part of a value: where it begins along the network's axes, and torch's shape of it."""
    ours = site.ours(shape)
    begin = tuple(begins.get(axis, 0) for axis in range(len(ours)))
    steps = tuple(step if axis in begins else 1 for axis in range(len(ours)))
    return site.append(lambda out: StridedSlice((value.tensor,), (out,), begin, steps), shape, "part")


def pad(site: Site) -> Value:
    """pad of height and width with zeros."""
    edges = list(site.arguments["pad"])
    if site.arguments.get("mode", "constant") != "constant" or (site.arguments["value"] or 0) != 0:
        raise site.unsupported("it pads with something else than zeros")
    if len(edges) > 4 or min(edges) < 0:
        raise site.unsupported(f"padding {edges} is not of height and width, or cuts")
    left, right, top, bottom = edges + [0] * (4 - len(edges))
    return site.padded(site.image("self"), top, bottom, left, right)


def enlarge(site: Site) -> Value:
    """upsample_nearest2d by whole factors."""
    source, wanted = site.image("input" if "input" in site.arguments else "self"), site.shape
    if any(new % old for new, old in zip(wanted[1:], source.shape[1:], strict=True)):
        both = f"{shown(source.shape[1:])} to {shown(wanted[1:])}"
        raise site.unsupported(f"{both} is no whole factor")
    return site.append(lambda out: ResizeNearestNeighbor((source.tensor,), (out,)), wanted)


def expand(site: Site) -> Value:
    """expand that changes nothing: sums and products broadcast by themselves."""
    source = site.value("self")
    if np.prod(site.shape) != np.prod(source.shape) or site.call.shape[0] != BATCH:
        raise site.unsupported("it repeats values; sums and products do so by themselves")
    return site.reshaped(source, site.shape)
