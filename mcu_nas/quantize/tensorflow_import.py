"""Keras models and SavedModels through TensorFlow's own converter, which folds, calibrates and quantizes.

TensorFlow is imported here alone, and only when such a model is given.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mcu_nas.errors import ModelError, UnsupportedError
from mcu_nas.extras import require

_BATCH = 250


@dataclass(frozen=True)
class TensorFlowModel:
    """A loaded model: ``call`` takes and gives TensorFlow tensors, ``converter`` makes a TFLiteConverter for
    one image of (H, W, C).

    ``shape`` is (H, W, C), None where the model takes any size.
    """

    call: Callable[[Any], Any]
    converter: Callable[[tuple[int, ...]], Any]
    shape: tuple[int | None, int | None, int | None]
    name: str

    def outputs(self, pixels: np.ndarray) -> np.ndarray:
        """float32 (N, values) for float32 pixels (N, H, W, C)."""
        with _quiet(), _one_line(f"{self.name}: cannot be run"):
            parts = [
                np.asarray(self.call(pixels[start : start + _BATCH]))
                for start in range(0, len(pixels), _BATCH)
            ]
        return np.concatenate(parts).reshape(len(pixels), -1)

    def to_int8(self, pixels: np.ndarray) -> bytes:
        """An int8 .tflite with int8 input and output, calibrated on float32 pixels (N, H, W, C)."""
        with _quiet(), _one_line(f"{self.name}: TensorFlow cannot convert it"):
            import tensorflow as tf

            converter = self.converter(pixels.shape[1:])
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([image[None]] for image in pixels)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
            return bytes(converter.convert())


def is_saved_model(path: Path) -> bool:
    """Whether a path is a SavedModel's folder."""
    return (path / "saved_model.pb").is_file()


def load_tensorflow_model(path: Path) -> TensorFlowModel:
    """A Keras file (.keras, .h5) or a SavedModel's folder with the signature ``serving_default``.

    Raises:
        ToolError: TensorFlow is not installed.
        ModelError: it cannot be loaded.
        UnsupportedError: it has several inputs or outputs, or none that is an image.
    """
    require("tensorflow", str(path))
    if not path.exists():
        raise ModelError(f"{path}: no such file or folder")
    return _saved_model(path) if path.is_dir() else _keras_model(path)


def _keras_model(path: Path) -> TensorFlowModel:
    with _quiet(), _one_line(f"{path}: cannot be loaded"):
        import tensorflow as tf

        model = tf.keras.models.load_model(path, compile=False)
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        counts = f"{len(model.inputs)} inputs and {len(model.outputs)} outputs"
        raise UnsupportedError(f"{path}: has {counts}; one of each can be quantized")

    def converter(shape: tuple[int, ...]) -> Any:
        # A fixed batch: with any batch, a Flatten would compute its shape on the device.
        image = tf.keras.Input(batch_shape=(1, *shape))
        return tf.lite.TFLiteConverter.from_keras_model(tf.keras.Model(image, model(image, training=False)))

    shape = _image_shape(model.inputs[0].shape, path)
    return TensorFlowModel(lambda x: model(x, training=False), converter, shape, str(path))


def _saved_model(path: Path) -> TensorFlowModel:
    with _quiet(), _one_line(f"{path}: cannot be loaded"):
        import tensorflow as tf

        loaded = tf.saved_model.load(str(path))
    signature = loaded.signatures.get("serving_default")
    if signature is None:
        raise UnsupportedError(f"{path}: has no signature serving_default")
    arguments = signature.structured_input_signature[1]
    if len(arguments) != 1 or len(signature.structured_outputs) != 1:
        counts = f"{len(arguments)} inputs and {len(signature.structured_outputs)} outputs"
        raise UnsupportedError(f"{path}: serving_default has {counts}; one of each can be quantized")
    ((argument, spec),), (result,) = arguments.items(), signature.structured_outputs

    def call(x: Any) -> Any:
        return signature(**{argument: tf.convert_to_tensor(x)})[result]

    def converter(shape: tuple[int, ...]) -> Any:
        function = tf.function(call).get_concrete_function(tf.TensorSpec((1, *shape), tf.float32))
        made = tf.lite.TFLiteConverter.from_concrete_functions([function], loaded)
        made.experimental_enable_resource_variables = False  # weights become constants
        return made

    return TensorFlowModel(call, converter, _image_shape(spec.shape, path), str(path))


def _image_shape(shape: Any, path: Path) -> tuple[int | None, int | None, int | None]:
    sizes = tuple(shape)
    if len(sizes) != 4:
        raise UnsupportedError(f"{path}: its input is no image (N×H×W×C)")
    _, height, width, channels = (None if size is None else int(size) for size in sizes)
    return height, width, channels


@contextmanager
def _one_line(what: str) -> Iterator[None]:
    """TensorFlow's exceptions, of every kind and length, in one line."""
    try:
        yield
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{what}: {reason}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """TensorFlow writes its logs to the process's stderr, Keras to stdout; their errors are exceptions."""
    kept, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(sink)
