"""The tables within a board's file (boards.py): memory regions, reserve, placement, serial line, flashing."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class Table(BaseModel):
    """A table of a board file: no unknown keys, no silent conversions, no changes afterwards."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Region(Table):
    """A contiguous range of addresses."""

    name: str = Field(min_length=1, description="the datasheet's name of the region")
    origin: int = Field(ge=0, description="first address, see the datasheet's memory map")
    bytes: int = Field(gt=0, description="size of the region in bytes, see the datasheet")
    kind: Literal["flash", "ram", "code"] = Field(
        description='"flash", "ram", or "code": RAM for instructions alone'
    )

    @property
    def end(self) -> int:
        """The address after the last one."""
        return self.origin + self.bytes

    @model_validator(mode="after")
    def region_lies_within_the_address_space(self) -> Region:
        if self.end > 1 << 32:
            raise ValueError(f"ends at {self.end:#x}, beyond the 32-bit address space")
        return self

    @field_validator("origin")
    @classmethod
    def origin_is_aligned_to_sixteen_bytes(cls, origin: int) -> int:
        if origin % 16:
            raise ValueError(f"is {origin:#x}: must be a multiple of 16, the alignment of an arena")
        return origin


class Reserve(Table):
    """What the firmware takes for itself, so that a search leaves it free."""

    stack_bytes: int = Field(gt=0, description="stack of the firmware in bytes")
    harness_bytes: int = Field(
        ge=0, description="static data of harness and port in bytes, without the arena"
    )
    flash_bytes: int = Field(ge=0, description="code and constants of harness and port in bytes")

    @field_validator("stack_bytes", "harness_bytes")
    @classmethod
    def reserve_is_a_multiple_of_sixteen_bytes(cls, size: int) -> int:
        if size % 16:
            raise ValueError(f"is {size}: must be a multiple of 16, the alignment of an arena")
        return size


class Placement(Table):
    """What lies elsewhere than in flash and in the largest RAM."""

    hot_code: str | None = Field(
        default=None, description='the region of kind "code" that the busiest kernels are copied into at boot'
    )


class Serial(Table):
    """The serial line to the host."""

    baud: int = Field(gt=0, lt=1 << 31, description="bits per second, e.g. 115_200")


FlashTool = Literal["openocd", "st-flash"]


class Flash(Table):
    """How a debug probe writes this board's flash."""

    tools: tuple[FlashTool, ...] = Field(
        strict=False, min_length=1, description='"openocd", "st-flash" or both, the preferred one first'
    )
    openocd_config: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9_./-]+$", description="OpenOCD's configuration file for this board"
    )

    @model_validator(mode="after")
    def openocd_has_a_configuration(self) -> Flash:
        if "openocd" in self.tools and self.openocd_config is None:
            raise ValueError('has the tool "openocd" without openocd_config, such as "board/NAME.cfg"')
        return self
