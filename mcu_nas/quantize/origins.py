"""Models from elsewhere to int8 .tflite: which kind of model an argument means, and how each is quantized."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mcu_nas.datasets import Dataset, resize
from mcu_nas.datasets.images import real_pixels
from mcu_nas.datasets.splits import stratified_sample
from mcu_nas.errors import DataError, ModelError, UsageError
from mcu_nas.extras import require
from mcu_nas.network import shown
from mcu_nas.quantize.tensorflow_import import is_saved_model, load_tensorflow_model

Shape = tuple[int, int, int]  # (H, W, C)
_KERAS = (".keras", ".h5", ".hdf5")


@dataclass(frozen=True)
class Task:
    """What a model is quantized for: ``samples`` training images calibrate it, the test images judge it.

    ``shape`` (H, W, C) where the user gives the input's; ``white`` is what pixel 255 is to the model.
    """

    dataset: Dataset
    samples: int
    seed: int
    white: float = 1.0
    shape: Shape | None = None

    def input_shape(self, name: str, stated: tuple[int | None, ...] = (None, None, None)) -> Shape:
        """The input's (H, W, C): what the model states, else what the user gives, else the data's.

        Raises:
            UsageError: they contradict each other, or the images cannot be brought to that shape.
        """
        wanted = self.shape or self.dataset.image_shape
        height, width, channels = (s if s is not None else w for s, w in zip(stated, wanted, strict=True))
        shape = height, width, channels
        if self.shape and shape != self.shape:
            raise UsageError(f"{name}: takes {shown(shape)}, --input-shape says {shown(self.shape)}")
        if channels != self.dataset.image_shape[2]:
            found = self.dataset.image_shape[2]
            raise DataError(
                f"{name}: takes {channels} channels, {self.dataset.name} has {found}: give data with as many"
            )
        if shape != self.dataset.image_shape and height != width:
            raise DataError(
                f"{name}: takes {shown(shape)}, {self.dataset.name} has {shown(self.dataset.image_shape)}:"
                " images are brought to square shapes alone"
            )
        return shape

    def calibration_images(self, shape: Shape) -> np.ndarray:
        """uint8 (samples, H, W, C), a stratified sample of the training images."""
        chosen = stratified_sample(self.dataset.train_labels, self.samples, self.seed)
        return self._brought_to(shape, self.dataset.train_images[chosen])

    def test_images(self, shape: Shape) -> np.ndarray:
        """uint8 (N, H, W, C), all of them."""
        return self._brought_to(shape, self.dataset.test_images)

    def pixels(self, images: np.ndarray) -> np.ndarray:
        """uint8 images as the float32 that the model takes."""
        return real_pixels(images, self.white)

    def _brought_to(self, shape: Shape, images: np.ndarray) -> np.ndarray:
        return images if images.shape[1:] == shape else resize(images, shape[0])


@dataclass(frozen=True)
class Quantized:
    """An int8 .tflite, the test images as it takes them uint8 (N, H, W, C), and the float model's outputs for
    them (N, values) with what computed them. ``notes`` say where the model was changed.
    """

    tflite: bytes = field(repr=False)
    test_images: np.ndarray = field(repr=False)
    float_outputs: np.ndarray = field(repr=False)
    float_by: str
    notes: tuple[str, ...] = ()


def quantize_model(model: str, task: Task) -> Quantized:
    """``FILE.py:NAME``, a Keras file, a SavedModel's folder or a float .tflite as int8 .tflite.

    Raises:
        ModelError, UnsupportedError: the model cannot be loaded or expressed.
        ToolError: PyTorch or TensorFlow is needed and missing.
        DataError, UsageError: data, options and model do not belong together.
    """
    result = _origin(model)(model, task)
    values, classes = result.float_outputs.shape[1], len(task.dataset.labels)
    if values != classes:
        raise DataError(f"{model}: gives {values} values, {task.dataset.name} has {classes} classes")
    return result


def _origin(model: str) -> Callable[[str, Task], Quantized]:
    path = Path(model)
    if ".py:" in model:
        return _from_torch
    if model.endswith(".py"):
        raise UsageError(f"{model}: name the function that makes the model: {model}:make_model")
    if path.suffix in _KERAS or is_saved_model(path):
        return _from_tensorflow
    if path.suffix == ".tflite":
        return _from_float_tflite
    if not path.exists():
        raise ModelError(f"{model}: no such file or folder")
    raise ModelError(f"{model}: not FILE.py:NAME, a .keras file, a SavedModel's folder or a float .tflite")


def _from_torch(model: str, task: Task) -> Quantized:
    require("torch", "quantizing a PyTorch model")
    from mcu_nas.quantize.quantize import quantize_float_network
    from mcu_nas.quantize.torch_import import import_module, load_module, module_outputs
    from mcu_nas.tflite.writer import serialize_tflite

    file, _, name = model.rpartition(":")
    shape = task.input_shape(model)
    images = task.test_images(shape)
    with redirect_stdout(sys.stderr):  # what the user's own code prints is none of the command's output
        module = load_module(Path(file), name)
        imported = import_module(module, shape, task.white)
        outputs = module_outputs(module, images, task.white)
    graph = quantize_float_network(imported.network, task.calibration_images(shape), task.dataset.labels)
    graph = replace(graph, image_input=task.dataset.image_input(*shape[:2]))
    return Quantized(serialize_tflite(graph), images, outputs, "PyTorch", imported.notes)


def _from_float_tflite(model: str, task: Task) -> Quantized:
    require("torch", "quantizing a float .tflite")
    from mcu_nas.quantize.float_tflite import parse_float_tflite
    from mcu_nas.quantize.quantize import quantize_float_network
    from mcu_nas.tflite.litert import litert_outputs
    from mcu_nas.tflite.writer import serialize_tflite

    try:
        data = Path(model).read_bytes()
    except OSError as error:
        raise ModelError(f"{model}: cannot be read: {(error.strerror or str(error)).lower()}") from error
    network = parse_float_tflite(data, model, task.white)
    _, *stated = network.network.shape(network.network.inputs[0])
    shape = task.input_shape(model, tuple(stated))
    graph = quantize_float_network(network, task.calibration_images(shape), task.dataset.labels)
    graph = replace(graph, image_input=task.dataset.image_input(*shape[:2]))
    images = task.test_images(shape)
    return Quantized(
        serialize_tflite(graph), images, litert_outputs(data, model, task.pixels(images)), "LiteRT"
    )


def _from_tensorflow(model: str, task: Task) -> Quantized:
    loaded = load_tensorflow_model(Path(model))
    shape = task.input_shape(model, loaded.shape)
    tflite = loaded.to_int8(task.pixels(task.calibration_images(shape)))
    images = task.test_images(shape)
    return Quantized(tflite, images, loaded.outputs(task.pixels(images)), "TensorFlow")
