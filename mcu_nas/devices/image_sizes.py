"""Where the flash of a linked image goes: weights, constants, the model's code, kernels, and the rest.

Read from the image's symbols (``arm-none-eabi-nm -S -l``): a symbol belongs to the source file that defines
it. What has no symbol (string literals, padding) and what has no debug information (the C library) counts
to the rest, so that the parts add up to the image.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mcu_nas.devices.build import FirmwareImage
from mcu_nas.devices.toolchain import image_listing

# address size type name<tab>file:line; data and code in flash are of the types t, r, w, v and n.
_SYMBOL = re.compile(r"^([0-9a-f]+) ([0-9a-f]+) ([a-zA-Z]) (\S+)\t(.+):\d+$", re.MULTILINE)


@dataclass(frozen=True)
class ImageSizes:
    """Bytes of a linked image's flash.

    Attributes:
        weights_bytes: the weights of the model's layers; with biases and factors, where a generated kernel
            reads them one after the other.
        constants_bytes: the model's other arrays: biases, requantization factors, tables.
        model_code_bytes: the generated functions with the layers' arguments and the model's description.
        kernels_bytes: the kernels' code and tables.
        rest_bytes: harness, port, the C library, string literals, padding, initial values of variables.
        variables_bytes, arena_bytes, stack_bytes: SRAM.
    """

    weights_bytes: int
    constants_bytes: int
    model_code_bytes: int
    kernels_bytes: int
    rest_bytes: int
    variables_bytes: int
    arena_bytes: int
    stack_bytes: int

    @property
    def model_bytes(self) -> int:
        """What the model brings: all but the rest."""
        return self.weights_bytes + self.constants_bytes + self.model_code_bytes + self.kernels_bytes

    @property
    def flash_bytes(self) -> int:
        """All that lies in flash."""
        return self.model_bytes + self.rest_bytes


def image_sizes(image: FirmwareImage, model_name: str) -> ImageSizes:
    """The split of an image made by ``build_firmware`` for a model generated under ``model_name``.

    Raises:
        ToolError: arm-none-eabi-nm is not installed.
        BuildError: it refuses the image.
    """
    listing = image_listing("arm-none-eabi-nm", ["-S", "-l"], image.elf)
    parts = dict.fromkeys(("weights", "constants", "model_code", "kernels"), 0)
    seen: set[str] = set()
    for address, size, kind, symbol, source in _SYMBOL.findall(listing):
        part = _part(symbol, Path(source), model_name)
        if part is None or kind.lower() in "bd" or address in seen:  # variables; a second name of one place
            continue
        seen.add(address)
        parts[part] += int(size, 16)
    return ImageSizes(
        weights_bytes=parts["weights"],
        constants_bytes=parts["constants"],
        model_code_bytes=parts["model_code"],
        kernels_bytes=parts["kernels"],
        rest_bytes=image.flash_bytes - sum(parts.values()),
        variables_bytes=image.variable_bytes,
        arena_bytes=image.arena_bytes,
        stack_bytes=image.stack_bytes,
    )


def _part(symbol: str, source: Path, model_name: str) -> str | None:
    """Which part of ImageSizes a symbol's bytes belong to; None for the rest."""
    if source.name == f"{model_name}_weights.c":
        return "weights" if symbol.endswith(("_weights", "_constants")) else "constants"
    if source.name == f"{model_name}.c":
        return "model_code"
    is_kernel = source.parent.name == "kernels" or source.name == f"{model_name}_kernels.S"
    return "kernels" if is_kernel else None
