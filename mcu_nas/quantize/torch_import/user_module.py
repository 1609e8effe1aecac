"""``my_model.py:make_model``: a user's Python file run, and the module that it names."""

from __future__ import annotations

import importlib.util
import inspect
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

from torch import nn

from mcu_nas.errors import ModelError, did_you_mean


def load_module(file: Path, name: str) -> nn.Module:
    """The module called ``name`` in a Python file, in evaluation mode.

    A function or class of that name is called without arguments. The file's folder is importable while it
    runs, so that it finds its neighbours, and its parameters are whatever it loads itself.

    Raises:
        ModelError: no such file or name, an exception in it, or something that is no module.
    """
    where = f"{file}:{name}"
    with _importable(file.resolve().parent):
        namespace = vars(_run_file(file))
        if name not in namespace:
            own = [n for n, value in namespace.items() if callable(value) and not n.startswith("_")]
            near = did_you_mean(name, own)
            raise ModelError(f"{file}: has no '{name}': {near}give the function that makes the model")
        found = namespace[name]
        if not isinstance(found, nn.Module) and callable(found):
            _check_arguments(found, where)
            try:
                found = found()
            except (Exception, SystemExit) as error:
                raise ModelError(f"{where}: {_described(error, file)}") from error
    if not isinstance(found, nn.Module):
        raise ModelError(f"{where}: is {type(found).__name__}, not a torch.nn.Module or what makes one")
    try:
        return found.eval()
    except (Exception, SystemExit) as error:
        raise ModelError(f"{where}: {_described(error, file)}") from error


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Python finds the modules of a folder."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with suppress(ValueError):  # the file may have taken it away itself
            sys.path.remove(str(folder))


def _run_file(file: Path) -> ModuleType:
    if not file.is_file():
        raise ModelError(f"{file}: no such file")
    spec = importlib.util.spec_from_file_location(f"_mcu_nas_model_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise ModelError(f"{file}: is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickles look their module up
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ModelError(f"{file}: {_described(error, file)}") from error
    return module


def _check_arguments(function: object, where: str) -> None:
    try:
        parameters = inspect.signature(function).parameters.values()  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return
    needed = [
        p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    if needed:
        raise ModelError(f"{where}: needs the arguments {', '.join(needed)}: name a function that needs none")


def _described(error: BaseException, file: Path) -> str:
    """``line 12: ValueError: ...``: the last line of the user's own file that was running."""
    own = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(file.resolve())]
    own += [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(file)]
    line = error.lineno if isinstance(error, SyntaxError) else (own[-1] if own else None)
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    kind = type(error).__name__
    return (f"line {line}: " if line else "") + (f"{kind}: {text}" if text else kind)
