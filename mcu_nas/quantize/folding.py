"""A FloatNetwork simplified to what int8 wants: batch norms and activations inside the layers before them.

Importers write what a model says, one operator each: a batch norm is a MUL and an ADD by a constant a
channel, a normalisation of the pixels likewise. Each pass here keeps the network's function.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mcu_nas.network import Network, Tensor, pad_amounts
from mcu_nas.operators import (
    Activation,
    Add,
    AveragePool2D,
    DepthwiseConv2D,
    FullyConnected,
    MaxPool2D,
    Mul,
    Op,
    Padding,
    Relu,
    Relu6,
    Reshape,
    Sub,
    TransposeConv,
    Weighted,
    layer_inputs,
    renumbered,
)
from mcu_nas.quantize.float_network import FloatNetwork
from mcu_nas.tflite.schema import CHANNEL_AXIS

_FUSES = Weighted | Add | Sub | Mul | AveragePool2D | MaxPool2D
_FUSED = {Relu: Activation.RELU, Relu6: Activation.RELU6}


def fold(network: FloatNetwork) -> FloatNetwork:
    """The same function with as few operators as the passes manage.

    No operator of the result has a float constant besides weights and biases.
    """
    draft = _Draft(network)
    passes = (_drop_unread, _fold_backward, _fold_forward, _fuse_activation, _affine_to_layer)
    while any(step(draft) for step in passes):  # each pass changes one thing; the last only what others leave
        pass
    return draft.network()


class _Draft:
    """A network in the making: operators may be replaced, constants added."""

    def __init__(self, network: FloatNetwork) -> None:
        self.graph = network.network
        self.white = network.white
        self.tensors = list(self.graph.tensors)
        self.ops = list(self.graph.ops)
        self.constants = dict(network.constants)

    def writer(self, tensor: int) -> Op | None:
        """The operator that writes a tensor."""
        return next((op for op in self.ops if tensor in op.outputs), None)

    def readers(self, tensor: int) -> list[Op]:
        """The operators that read a tensor."""
        return [op for op in self.ops if tensor in op.inputs]

    def is_private(self, tensor: int) -> bool:
        """One operator reads the tensor, once, and nobody else."""
        reads = sum(op.inputs.count(tensor) for op in self.ops)
        return reads == 1 and tensor not in self.graph.outputs

    def replace(self, old: Op, *new: Op) -> None:
        """Puts operators in the place of one."""
        at = self.ops.index(old)
        self.ops[at : at + 1] = new

    def activation_like(self, tensor: int, suffix: str, shape: tuple[int, ...]) -> int:
        """A new activation, named after another."""
        self.tensors.append(Tensor(f"{self.tensors[tensor].name}.{suffix}", shape))
        return len(self.tensors) - 1

    def constant(self, name: str, values: np.ndarray, dtype: str) -> int:
        """A new constant; old ones may have other readers and are never changed."""
        self.tensors.append(Tensor(name, values.shape, dtype))
        self.constants[len(self.tensors) - 1] = values.astype(np.float32)
        return len(self.tensors) - 1

    def network(self) -> FloatNetwork:
        """What is used, numbered without gaps."""
        used = {t for op in self.ops for t in op.inputs + op.outputs}
        used |= {*self.graph.inputs, *self.graph.outputs}
        number = {old: new for new, old in enumerate(sorted(used))}

        graph = Network(
            tuple(self.tensors[t] for t in sorted(used)),
            tuple(renumbered(op, number) for op in self.ops),
            tuple(number[t] for t in self.graph.inputs),
            tuple(number[t] for t in self.graph.outputs),
            frozenset(number[t] for t in self.constants if t in used),
        )
        constants = {number[t]: values for t, values in self.constants.items() if t in used}
        return FloatNetwork(graph, constants, self.white)


@dataclass(frozen=True)
class _Affine:
    """x * scale + shift, a value a channel, as a MUL, ADD or SUB with a constant says it."""

    source: int
    scale: np.ndarray  # (C,) float64
    shift: np.ndarray  # (C,)


def _affine(draft: _Draft, op: Op) -> _Affine | None:
    """What an operator does to each channel, where that is all it does."""
    if not isinstance(op, Mul | Add | Sub) or op.inputs[1] not in draft.constants:
        return None
    channels = draft.tensors[op.outputs[0]].shape[-1]
    values = np.broadcast_to(draft.constants[op.inputs[1]].astype(np.float64), (channels,))
    if isinstance(op, Mul):
        return _Affine(op.inputs[0], values, np.zeros(channels))
    return _Affine(op.inputs[0], np.ones(channels), values if isinstance(op, Add) else -values)


def _drop_unread(draft: _Draft) -> bool:
    for op in draft.ops:
        if not draft.readers(op.outputs[0]) and op.outputs[0] not in draft.graph.outputs:
            draft.replace(op)
            return True
    return False


def _fold_backward(draft: _Draft) -> bool:
    """Layer, then affine: into the layer's weights and bias."""
    for op in draft.ops:
        affine = _affine(draft, op)
        if affine is None or not draft.is_private(affine.source):
            continue
        layer = draft.writer(affine.source)
        if isinstance(layer, Weighted) and layer.activation is Activation.NONE:
            _, weights, bias = layer_inputs(layer)
            per_output = np.moveaxis(draft.constants[weights], CHANNEL_AXIS[type(layer)], -1) * affine.scale
            new_weights = np.moveaxis(per_output, -1, CHANNEL_AXIS[type(layer)])
            new_bias = draft.constants[bias] * affine.scale + affine.shift
            changed = _reweighted(draft, layer, new_weights, new_bias)
            draft.replace(layer)
            draft.replace(op, replace(changed, outputs=op.outputs, activation=op.activation))  # type: ignore[union-attr]
            return True
    return False


def _fold_forward(draft: _Draft) -> bool:
    """Affine, then layers that see nothing else: into the layers' weights and biases."""
    for op in draft.ops:
        affine = _affine(draft, op)
        if affine is None or op.activation is not Activation.NONE:  # type: ignore[union-attr]
            continue
        (output,) = op.outputs
        layers = draft.readers(output)
        if output in draft.graph.outputs or not all(_absorbs(draft, layer, affine) for layer in layers):
            continue
        for layer in layers:
            assert isinstance(layer, Weighted)
            _, weights, bias = layer_inputs(layer)
            values = draft.constants[weights].astype(np.float64)
            if isinstance(layer, DepthwiseConv2D):
                multiplier = values.shape[3] // len(affine.scale)
                scale, shift = (np.repeat(v, multiplier) for v in (affine.scale, affine.shift))
                added = (values * shift).sum((0, 1, 2))
            else:
                scale = affine.scale
                added = (values * affine.shift).reshape(len(values), -1).sum(1)
            changed = _reweighted(draft, layer, values * scale, draft.constants[bias] + added)
            inputs = tuple(affine.source if t == output else t for t in changed.inputs)
            draft.replace(layer, replace(changed, inputs=inputs))
        draft.replace(op)
        return True
    return False


def _absorbs(draft: _Draft, layer: Op, affine: _Affine) -> bool:
    """Whether a layer's weights can take an affine before it: padding stays zero, which a shift is not."""
    if not isinstance(layer, Weighted):
        return False
    shape = draft.tensors[layer_inputs(layer)[0]].shape
    if len(affine.scale) != shape[-1] or (isinstance(layer, FullyConnected) and np.prod(shape) != shape[-1]):
        return False
    if not affine.shift.any() or isinstance(layer, FullyConnected):
        return True
    if isinstance(layer, TransposeConv):
        return False
    window = draft.tensors[layer.inputs[1]].shape[1:3]
    sides = zip(shape[1:3], window, layer.stride, layer.dilation, strict=True)
    return all(pad_amounts(layer.padding, *side) == (0, 0) for side in sides)


def _reweighted(draft: _Draft, layer: Weighted, weights: np.ndarray, bias: np.ndarray) -> Weighted:
    activation, old_weights, old_bias = layer_inputs(layer)
    new_weights = draft.constant(draft.tensors[old_weights].name, weights, "int8")
    new_bias = draft.constant(draft.tensors[old_bias].name, bias, "int32")
    if isinstance(layer, TransposeConv):
        return replace(layer, inputs=(layer.inputs[0], new_weights, activation, new_bias))
    return replace(layer, inputs=(activation, new_weights, new_bias))


def _fuse_activation(draft: _Draft) -> bool:
    """Operator, then RELU or RELU6: into the operator."""
    for op in draft.ops:
        if type(op) not in _FUSED or not draft.is_private(op.inputs[0]):
            continue
        before = draft.writer(op.inputs[0])
        if isinstance(before, _FUSES) and before.activation is Activation.NONE:
            draft.replace(before)
            draft.replace(op, replace(before, outputs=op.outputs, activation=_FUSED[type(op)]))
            return True
    return False


def _affine_to_layer(draft: _Draft) -> bool:
    """An affine that stays: a 1×1 depthwise convolution, of a row as of an image of one pixel."""
    for op in draft.ops:
        affine = _affine(draft, op)
        if affine is None:
            continue
        (output,) = op.outputs
        shape = draft.tensors[output].shape
        name = draft.tensors[output].name
        weights = draft.constant(f"{name}.weights", affine.scale.reshape(1, 1, 1, -1), "int8")
        bias = draft.constant(f"{name}.bias", affine.shift, "int32")
        activation = op.activation  # type: ignore[union-attr]

        def layer(source: int, result: int) -> Op:
            return DepthwiseConv2D((source, weights, bias), (result,), (1, 1), Padding.VALID, activation)  # noqa: B023

        if len(shape) == 4:
            draft.replace(op, layer(affine.source, output))
        else:
            pixel = (1, 1, 1, shape[-1])
            before = draft.activation_like(output, "pixel", pixel)
            after = draft.activation_like(output, "scaled", pixel)
            views = Reshape((affine.source,), (before,)), Reshape((after,), (output,))
            draft.replace(op, views[0], layer(before, after), views[1])
        return True
    return False
