"""What a search was asked: everything that its result depends on, kept in run.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from mcu_nas.datasets.catalogue import DataOptions
from mcu_nas.datasets.channels import Channels
from mcu_nas.errors import RunFolderError


@dataclass(frozen=True)
class SearchRequest:
    """Board and data by name; limits in bytes and milliseconds, None for the board's own. ``channels``,
    ``image_px`` and ``mirror`` are those of DataOptions.

    ``predictor``: whether an accuracy predictor chooses which of the strategy's children are evaluated.
    ``threads`` is part of it: training gives the same bits with any number, but not every sum of torch does.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    board: str
    data: str
    effort: str
    seed: int
    threads: int
    sram_bytes: int | None = None
    flash_bytes: int | None = None
    weights_bytes: int | None = None
    latency_ms: float | None = None
    resolutions: tuple[int, ...] = ()
    widths: tuple[float, ...] = ()
    channels: Channels | None = None
    image_px: int | None = None
    mirror: bool | None = None
    strategy: str = "evolution"
    predictor: bool = False
    source: SupernetSource | None = None

    @property
    def data_options(self) -> DataOptions:
        """How the data are taken."""
        return DataOptions(self.channels, self.image_px, self.mirror)

    def to_record(self) -> dict[str, Any]:
        """As JSON holds it."""
        lists = {"resolutions": list(self.resolutions), "widths": list(self.widths)}
        return {**asdict(self), **lists, "source": self.source and self.source.to_record()}

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> SearchRequest:
        """The inverse of ``to_record``.

        Raises:
            RunFolderError: a key is missing, unknown or of another type.
        """
        try:
            return TypeAdapter(SearchRequest).validate_python(record)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            key = ".".join(map(str, ("request", *fault["loc"])))
            message = fault["msg"][0].lower() + fault["msg"][1:]
            raise RunFolderError(f"{key}: {message}: start the search anew") from None


@dataclass(frozen=True)
class SupernetSource:
    """A supernet that is taken from another run instead of being trained.

    ``run`` is that run's folder, for people to read; the checkpoint itself is copied, and ``sha256`` is its
    hash. ``request`` is what the run was asked that trained it: the supernet's space, data and training
    follow from it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    run: str
    sha256: str
    request: SearchRequest

    def to_record(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {"run": self.run, "sha256": self.sha256, "request": self.request.to_record()}
