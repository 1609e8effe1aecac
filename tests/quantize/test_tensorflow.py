"""Keras models and SavedModels through TensorFlow's converter; skipped where TensorFlow is not installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mcu_nas.tflite.reader import read_tflite
from tests.command_line import mcu_nas
from tests.fashion import fashion, needs_fashion_mnist

tf = pytest.importorskip(
    "tensorflow", reason="TensorFlow is not installed: pip install 'mcu-nas[tensorflow]'"
)
pytestmark = needs_fashion_mnist


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network trained for a few seconds: as .keras, as SavedModel, and as float .tflite."""
    keras, layers = tf.keras, tf.keras.layers
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(6.0),
            layers.DepthwiseConv2D(3, padding="same"),
            layers.ReLU(),
            layers.Conv2D(16, 1, activation="relu"),
            layers.MaxPool2D(2),
            layers.Flatten(),
            layers.Dense(10),
            layers.Softmax(),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    images = fashion().train_images[:6000].astype(np.float32) / 255.0
    model.fit(images, fashion().train_labels[:6000], 64, epochs=2, verbose=0)
    made = tmp_path_factory.mktemp("tensorflow")
    model.save(made / "m.keras")
    tf.saved_model.save(model, str(made / "saved"))
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    (made / "float.tflite").write_bytes(converter.convert())
    return made


def quantized(model: Path, out: Path) -> dict[str, Any]:
    done = mcu_nas("quantize", str(model), "--data", "fashion-mnist", "--out", str(out), "--json")
    assert done.code == 0, done.err
    assert done.err == ""
    record: dict[str, Any] = json.loads(done.out)
    return record


@pytest.mark.parametrize("name", ["m.keras", "saved"])
def test_int8_model_keeps_the_accuracy_in_generated_c(folder: Path, tmp_path: Path, name: str) -> None:
    record = quantized(folder / name, tmp_path / "int8.tflite")
    assert record["float_by"] == "TensorFlow"
    assert record["float_accuracy"] > 0.7
    assert abs(record["float_accuracy"] - record["int8_accuracy"]) < 0.02
    assert record["agreement"] > 0.95
    assert record["int8_by"] == "the generated C", record["notes"]
    operators = [op.tflite_name for op in read_tflite(tmp_path / "int8.tflite").network.ops]
    assert operators[-3:] == ["RESHAPE", "FULLY_CONNECTED", "SOFTMAX"]  # no shape is computed


def test_float_tflite_of_the_converter_keeps_the_accuracy(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="our own quantizer needs PyTorch")
    record = quantized(folder / "float.tflite", tmp_path / "int8.tflite")
    assert record["float_accuracy"] > 0.7
    assert abs(record["float_accuracy"] - record["int8_accuracy"]) < 0.02


def test_pixels_go_in_as_bytes_where_the_model_rescales_them(tmp_path: Path) -> None:
    keras, layers = tf.keras, tf.keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, bias_initializer="random_normal"),
        ]
    )
    model.save(tmp_path / "rescales.keras")
    out = tmp_path / "int8.tflite"
    done = mcu_nas(
        *("quantize", str(tmp_path / "rescales.keras"), "--data", "fashion-mnist"),
        *("--pixels", "255", "--out", str(out)),
    )
    assert done.code == 0, done.err
    graph = read_tflite(out)
    source = graph.quantization[graph.network.inputs[0]]
    assert (source.scale, source.zero_point) == (1.0, -128)


def test_broken_keras_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "broken.keras").write_bytes(b"PK")
    refused = mcu_nas("quantize", str(tmp_path / "broken.keras"), "--data", "fashion-mnist")
    assert refused.code == 2
    assert refused.err.count("\n") == 1
    assert "broken.keras: cannot be loaded" in refused.err


def test_model_for_colour_images_is_refused(tmp_path: Path) -> None:
    keras = tf.keras
    model = keras.Sequential([keras.Input((28, 28, 3)), keras.layers.Flatten(), keras.layers.Dense(10)])
    model.save(tmp_path / "colour.keras")
    refused = mcu_nas("quantize", str(tmp_path / "colour.keras"), "--data", "fashion-mnist")
    assert refused.code == 2
    assert "takes 3 channels, fashion-mnist has 1" in refused.err
