"""Core profiles: what our kernels cost on a processor core, read from boards/cores/<core>.toml.

The numbers are measured, not written by hand: ``benchmarks/core_profile.py`` runs single layers on the
emulated core, fits the coefficients and writes the file. Instructions are those of the emulator; CPI turns
them into cycles, and is an assumption until a board has measured it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from mcu_nas.compiler.latency_features import LATENCY_FEATURES
from mcu_nas.errors import BoardError
from mcu_nas.resources import boards_dir


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CyclesPerInstruction(_Table):
    """Range and central value; limits are compared with the central one."""

    low: float
    central: float
    high: float


class KernelProfile(_Table):
    """One kernel on one core: linked code in bytes, and instructions per latency feature."""

    code_bytes: int
    instructions: Mapping[str, float]

    @field_validator("instructions")
    @classmethod
    def instructions_name_every_latency_feature(cls, value: Mapping[str, float]) -> Mapping[str, float]:
        if set(value) != set(LATENCY_FEATURES):
            raise ValueError(f"needs exactly the keys {', '.join(LATENCY_FEATURES)}")
        return value


class CoreProfile(_Table):
    """A core's kernels and its cycles per instruction."""

    core: str
    cycles_per_instruction: CyclesPerInstruction
    layer_code_bytes: int  # generated code and descriptors of one layer
    kernels: Mapping[str, KernelProfile]

    def kernel(self, name: str) -> KernelProfile:
        """The profile of one kernel.

        Raises:
            BoardError: the core's file lacks it.
        """
        if name not in self.kernels:
            raise BoardError(
                f"the profile of core '{self.core}' lacks {name}: run benchmarks/core_profile.py --write"
            )
        return self.kernels[name]


@lru_cache
def load_core_profile(core: str) -> CoreProfile:
    """The profile of a core.

    Raises:
        BoardError: no such file, or a file that breaks the schema.
    """
    path = boards_dir() / "cores" / f"{core}.toml"
    try:
        return CoreProfile.model_validate(tomllib.loads(path.read_text()))
    except FileNotFoundError:
        raise BoardError(
            f"no profile for core '{core}': {path} is missing: benchmarks/core_profile.py makes it"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise BoardError(f"{path}: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BoardError(f"{path}: {where}: {first['msg']}") from None
