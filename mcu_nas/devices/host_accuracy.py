"""What an int8 .tflite says of test images on this computer."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mcu_nas.compiler.export import load_program
from mcu_nas.devices.host import HostModel
from mcu_nas.errors import ToolError, UnsupportedError
from mcu_nas.tflite.litert import litert_outputs


@dataclass(frozen=True)
class HostOutputs:
    """Outputs (N, values), whose order is what counts, and what computed them; ``note`` says why it was not
    the generated C.
    """

    outputs: np.ndarray = field(repr=False)
    by: str
    note: str = ""


def host_outputs(model: Path, images: np.ndarray, pixels: np.ndarray) -> HostOutputs:
    """An int8 model's outputs for uint8 images (N, H, W, C), which as reals are ``pixels``.

    By the generated C, whose outputs are the device's; by LiteRT where it cannot be generated or built.
    """
    try:
        program = load_program(model)
        host = HostModel(program)
    except (UnsupportedError, ToolError) as error:
        outputs = litert_outputs(model.read_bytes(), str(model), pixels)
        return HostOutputs(outputs, "LiteRT", f"the C was not run: {error}")
    source = program.graph.quantization[program.graph.network.inputs[0]]
    samples = np.clip(np.rint(pixels / source.scale + source.zero_point), -128, 127).astype(np.int8)
    return HostOutputs(host.run(samples).reshape(len(images), -1), "the generated C")
