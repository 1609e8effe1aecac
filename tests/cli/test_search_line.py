"""The command that is typed from a recorded search asks for the same search."""

from __future__ import annotations

import shlex
from dataclasses import fields
from pathlib import Path

import click
from hypothesis import given
from hypothesis import strategies as st

from mcu_nas.cli.search import command
from mcu_nas.cli.search_line import search_lines
from mcu_nas.cli.search_request import REQUEST_FIELDS
from mcu_nas.search.effort import EFFORTS
from mcu_nas.search.request import SearchRequest, SupernetSource
from mcu_nas.search.strategies.catalogue import STRATEGIES

sizes = st.none() | st.integers(1, 2**31)
requests = st.builds(
    SearchRequest,
    board=st.sampled_from(["stm32f746g-disco", "qemu-cortex-m4"]),
    data=st.sampled_from(["fashion-mnist", "my images/digits", "--odd"]),
    effort=st.sampled_from(sorted(EFFORTS)),
    seed=st.integers(0, 2**32 - 1),
    threads=st.integers(1, 256),
    sram_bytes=sizes,
    flash_bytes=sizes,
    weights_bytes=sizes,
    latency_ms=st.none() | st.integers(1, 10**6).map(lambda n: n / 1000),
    resolutions=st.lists(st.integers(8, 224), max_size=3).map(tuple),
    widths=st.lists(st.sampled_from([0.2, 0.35, 1.0]), max_size=3).map(tuple),
    strategy=st.sampled_from(sorted(STRATEGIES)),
    predictor=st.booleans(),
    channels=st.sampled_from([None, "grey", "rgb"]),
    image_px=st.none() | st.integers(8, 224),
    mirror=st.none() | st.booleans(),
)


def parsed(line: str) -> click.Context:
    program, name, *words = shlex.split(line)
    assert (program, name) == ("mcu-nas", "search")
    return command.make_context("search", words)


@given(request=requests)
def test_typed_search_is_parsed_to_the_request(request: SearchRequest) -> None:
    (line,) = search_lines(request, Path("runs/a run"))
    options = parsed(line).params
    assert options["run_dir"] == Path("runs/a run")
    for option, field in REQUEST_FIELDS.items():
        assert options[option] == getattr(request, field), line


def test_every_field_of_a_request_can_be_typed() -> None:
    assert {*REQUEST_FIELDS.values(), "source"} == {field.name for field in fields(SearchRequest)}


def test_search_of_another_run_supernet_comes_after_that_run() -> None:
    first = SearchRequest("stm32f746g-disco", "fashion-mnist", "quick", seed=1, threads=2)
    source = SupernetSource("runs/first", "0" * 64, first)
    second = SearchRequest("qemu-cortex-m4", "fashion-mnist", "quick", 1, 2, sram_bytes=65536, source=source)
    trained, searched = search_lines(second, Path("runs/second"))
    assert trained == search_lines(first, Path("runs/first"))[0]
    options = parsed(searched).params
    assert (options["source"], options["sram"]) == (Path("runs/first"), 65536)
