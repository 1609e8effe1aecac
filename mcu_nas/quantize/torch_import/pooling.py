"""Pools and means over height and width."""

from __future__ import annotations

from mcu_nas.network import same_pad, shown
from mcu_nas.operators import AveragePool2D, MaxPool2D, Mean, Padding, Pool2D, Relu, Relu6
from mcu_nas.quantize.torch_import.site import Site, Value
from mcu_nas.quantize.torch_import.weighted import needed_padding


def mean(site: Site) -> Value:
    """mean over height and width, which is adaptive_avg_pool2d to 1×1, too."""
    source = site.image("self")
    dimensions = site.arguments.get("dim")
    if dimensions is None or {d % 4 for d in dimensions} != {2, 3}:
        raise site.unsupported(f"it averages over dimensions {dimensions}; (2, 3) are supported")
    return _mean(site, source, bool(site.arguments["keepdim"]))


def _mean(site: Site, source: Value, keep: bool) -> Value:
    axes = site.build.integers(f"{site.name}.axes", (1, 2))
    shape = (source.shape[0], 1, 1) if keep else source.shape[:1]
    return site.append(lambda out: Mean((source.tensor, axes), (out,), keep), shape)


def adaptive_average(site: Site) -> Value:
    """adaptive_avg_pool2d to a size that divides the image's."""
    source, wanted = site.image("self"), site.shape[1:]
    if wanted == (1, 1):
        return _mean(site, source, keep=True)
    return _pool(site, source, AveragePool2D, _dividing(site, source), _dividing(site, source), [(0, 0)] * 2)


def adaptive_max(site: Site) -> list[Value]:
    """adaptive_max_pool2d to a size that divides the image's."""
    source = site.image("self")
    window = _dividing(site, source)
    return [_pool(site, source, MaxPool2D, window, window, [(0, 0)] * 2)]


def _dividing(site: Site, source: Value) -> tuple[int, int]:
    height, width = source.shape[1:]
    rows, columns = site.shape[1:]
    if height % rows or width % columns:
        raise site.unsupported(f"{height}×{width} is no multiple of {rows}×{columns}")
    return height // rows, width // columns


def largest(site: Site) -> Value:
    """amax over height and width."""
    source = site.image("self")
    if {d % 4 for d in site.arguments["dim"]} != {2, 3}:
        raise site.unsupported(f"it works over dimensions {site.arguments['dim']}; (2, 3) are supported")
    height, width = source.shape[1:]
    pooled = _pool(site, source, MaxPool2D, (height, width), (1, 1), [(0, 0)] * 2, (source.shape[0], 1, 1))
    return site.reshaped(pooled, site.shape)


def max_pool(site: Site) -> Value:
    """max_pool2d. Zeros may pad an image without negative values; else only SAME is torch's padding."""
    source = site.image("self")
    if site.pair("dilation") != (1, 1):
        raise site.unsupported("it has a dilation")
    window, stride, edges = _geometry(site, source)
    if not _is_same(source, window, stride, edges) and any(map(any, edges)):
        if not _never_negative(site):
            raise site.unsupported(
                f"padding {edges[0]} and {edges[1]} of {shown(source.shape[1:])} values that may be negative"
                " is not TFLite's: put a ReLU before it, or pad otherwise"
            )
        source, edges = site.padded(source, *edges[0], *edges[1]), [(0, 0)] * 2
    return _pool(site, source, MaxPool2D, window, stride, edges)


def average_pool(site: Site) -> Value:
    """avg_pool2d: with the padding counted it is a PAD before it, else it must be SAME."""
    source = site.image("self")
    if site.arguments["divisor_override"] is not None:
        raise site.unsupported("it has a divisor_override")
    window, stride, edges = _geometry(site, source)
    pads = site.pair("padding")
    overhangs = any(after > pad for (_, after), pad in zip(edges, pads, strict=True))
    if any(pads) and site.arguments["count_include_pad"]:
        if overhangs:
            raise site.unsupported("ceil_mode beyond a padding that counts")
        source, edges = site.padded(source, *edges[0], *edges[1]), [(0, 0)] * 2
    elif any(map(any, edges)) and not _is_same(source, window, stride, edges):
        raise site.unsupported(
            f"padding {edges[0]} and {edges[1]} of {shown(source.shape[1:])} values without counting it"
            " is not TFLite's: count_include_pad=True can be expressed"
        )
    return _pool(site, source, AveragePool2D, window, stride, edges)


def _geometry(site: Site, source: Value) -> tuple[tuple[int, int], tuple[int, int], list[tuple[int, int]]]:
    """Window, stride, and the padding (before, after) of both axes that windows reach."""
    window = site.pair("kernel_size")
    stride = site.pair("stride") if site.arguments["stride"] else window
    edges = [
        needed_padding(size, k, s, pad, out)
        for size, k, s, pad, out in zip(
            source.shape[1:], window, stride, site.pair("padding"), site.shape[1:], strict=True
        )
    ]
    return window, stride, edges


def _is_same(
    source: Value, window: tuple[int, int], stride: tuple[int, int], edges: list[tuple[int, int]]
) -> bool:
    return edges == [same_pad(*side) for side in zip(source.shape[1:], window, stride, strict=True)]


def _never_negative(site: Site) -> bool:
    """Whether the pool's input comes straight from a function without negative values."""
    return site.build.written_by(site.value("self").tensor, Relu, Relu6)


def _pool(
    site: Site,
    source: Value,
    kind: type[Pool2D],
    window: tuple[int, int],
    stride: tuple[int, int],
    edges: list[tuple[int, int]],
    shape: tuple[int, ...] | None = None,
) -> Value:
    padding = Padding.SAME if any(map(any, edges)) else Padding.VALID
    return site.append(
        lambda out: kind((source.tensor,), (out,), window, stride, padding), shape or site.shape
    )
