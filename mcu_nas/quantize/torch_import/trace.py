"""A PyTorch module as a list of ATen calls (torch.export), and what each call was given.

torch.export turns modules, functions, methods and operators alike into ATen operators, in-place ones into
their plain forms, and shapes into numbers. The module is traced with two images: an axis of size 1 would
be lost in a squeeze, and a view that mixes the images of a batch could not be told from one that does not.
"""

from __future__ import annotations

import io
import logging
import operator
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import Node

from mcu_nas.errors import ModelError, UnsupportedError
from mcu_nas.network import shown

BATCH = 2


@dataclass(frozen=True)
class Call:
    """One ATen call in order. ``node`` is its fx node, ``name`` ATen's, ``path`` the module's in the model,
    ``what`` the thing that the user wrote (``nn.GELU``, ``torch.matmul``).
    """

    node: Node
    name: str
    path: str
    what: str

    @property
    def shape(self) -> tuple[int, ...]:
        """The output's shape, batch included; of the first output where there are several."""
        value = self.node.meta["val"]
        return tuple((value[0] if isinstance(value, tuple | list) else value).shape)

    def arguments(self) -> dict[str, Any]:
        """The arguments by ATen's names, defaults included; tensors as fx nodes."""
        schema = self.node.target._schema  # type: ignore[union-attr]
        named = {argument.name: argument.default_value for argument in schema.arguments}
        named.update(zip((a.name for a in schema.arguments), self.node.args, strict=False))
        named.update(self.node.kwargs)
        return named

    def unsupported(self, reason: str) -> UnsupportedError:
        """``block1.attn: nn.MultiheadAttention is not supported: <reason>``."""
        return UnsupportedError(f"{self.path or 'forward'}: {self.what} is not supported: {reason}")


def trace(module: nn.Module, shape: tuple[int, int, int]) -> ExportedProgram:
    """The program of a module in evaluation mode for images of ``shape`` (C, H, W).

    Raises:
        ModelError: the module does not take such images, or does what cannot be traced.
    """
    for name, value in module.state_dict().items():
        if isinstance(value, Tensor) and value.is_floating_point() and not torch.isfinite(value).all():
            raise ModelError(f"the model's {name} holds values that are not finite: train it again")
    images = torch.rand(BATCH, *shape, generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad():
            result = module(images)
    except (Exception, SystemExit) as error:
        raise ModelError(
            f"the model fails on images of {shown(shape)} (C×H×W): {_one_line(error)}"
        ) from error
    if not isinstance(result, Tensor):
        raise UnsupportedError(
            f"the model returns {_kind(result)}: it must return one tensor, a value for each class"
        )
    try:
        with _silence(), torch.no_grad():
            return torch.export.export(module, (images,), strict=False).run_decompositions({})
    except Exception as error:
        raise ModelError(
            f"the model cannot be traced (its forward must not depend on values): {_one_line(error)}"
        ) from error


@contextmanager
def _silence() -> Iterator[None]:
    """torch.export explains a failure in dozens of lines on standard error; one of ours says it."""
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def constants(program: ExportedProgram) -> dict[str, Tensor]:
    """Parameters, buffers and other constant tensors by the name of their fx node."""
    signature = program.graph_signature
    found: dict[str, Tensor] = {}
    for spec in signature.input_specs:
        if spec.target in program.state_dict:
            found[spec.arg.name] = program.state_dict[spec.target].detach()
        elif spec.target in program.constants:
            value = program.constants[spec.target]
            if isinstance(value, Tensor):
                found[spec.arg.name] = value.detach()
    return found


def calls(program: ExportedProgram) -> Iterator[Call]:
    """The calls of a program, tuple accesses included (``getitem``)."""
    for node in program.graph.nodes:
        if node.op == "call_function":
            if node.target is operator.getitem:
                yield Call(node, "getitem", *_place(node, "getitem"))
            else:
                schema = getattr(node.target, "_schema", None)
                name = schema.name.removeprefix("aten::") if schema else str(node.target)
                if name.startswith("_assert_"):  # that shapes and types are what tracing saw: they are
                    continue
                yield Call(node, name, *_place(node, name))


def _place(node: Node, name: str) -> tuple[str, str]:
    """The path of the module that made a call, and what the user wrote there."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path = ""
    for module_path, kind in stack:
        kind_name = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
        path = module_path
        if kind_name.startswith("torch.nn.") and not kind_name.startswith("torch.nn.modules.container."):
            return path, f"nn.{kind_name.rpartition('.')[2]}"
    return path, f"torch {name}"


def _kind(result: object) -> str:
    if isinstance(result, tuple | list):
        return f"{len(result)} values"
    return f"a {type(result).__name__}"


def _one_line(error: BaseException) -> str:
    first = str(error).strip().splitlines()
    return f"{type(error).__name__}: {first[0]}" if first else type(error).__name__
