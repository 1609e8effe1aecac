"""The part of card.md on memory and the device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mcu_nas.cost.peak_rules import RULES
from mcu_nas.report.markdown import number, shape, table

_Record = Mapping[str, Any]


def memory(card: _Record) -> Iterator[str]:
    """Peaks under every rule, and the layers one by one."""
    model = card["model"]
    yield "## Memory"
    yield ""
    yield "Peak SRAM in bytes, by named rules (docs/memory.md); `planned` is what the firmware allocates."
    yield ""
    plans = [
        (
            f"planned, for {plan['optimize']}" + (" (taken)" if plan["taken"] else ""),
            f"{plan['arena_bytes']:,}",
            number(plan["arena_without_input_bytes"]),
        )
        for plan in model["plans"]
    ]
    rules = [
        (
            rule,
            f"{model['peak_bytes'][rule]:,}",
            f"{model['live_without_input_bytes']:,}" if rule == "live" else "–",
        )
        for rule in RULES
        if rule != "planned"
    ]
    yield from table(("rule", "peak", "with the input in a caller's buffer"), [*plans, *rules])
    yield ""
    yield "Per layer: bytes of memory under each rule, and instructions counted on the emulated core."
    yield ""
    counts = _instructions(card)
    rows = [
        (
            str(layer["index"]),
            layer["layer"],
            layer["op"],
            shape(layer["output_shape"]),
            number(layer["macs"]),
            number(layer["weight_bytes"]),
            *(number(layer["memory_bytes"][rule]) for rule in RULES),
            count,
        )
        for layer, count in zip(model["layers"], counts, strict=True)
    ]
    yield from table(("", "layer", "op", "output", "MACs", "weights", *RULES, "instructions"), rows)


def _instructions(card: _Record) -> list[str]:
    """Counted instructions by layer; dashes where none ran, or the firmware's layers are not the model's."""
    layers = card["model"]["layers"]
    counted = card["emulated"]["layers"] if card["emulated"] else []
    same = [(layer["op"], layer["macs"]) for layer in layers] == [
        (run["name"], run["macs"]) for run in counted
    ]
    return [f"{run['instructions']:,}" for run in counted] if same else ["–"] * len(layers)


def device(card: _Record) -> Iterator[str]:
    """What the firmware did on the emulated core, where one was there."""
    emulated = card["emulated"]
    if not emulated:
        return
    per_mac = emulated["instructions"] / card["model"]["macs"]
    between = emulated["instructions"] - sum(layer["instructions"] for layer in emulated["layers"])
    yield "## On the emulated core"
    yield ""
    yield (
        f"{emulated['board']}: {emulated['instructions']:,} instructions ({emulated['kind']}) an inference,"
        f" {per_mac:.2f} per MAC, {between:,} of them between the layers;"
        f" {emulated['stack_used_bytes']:,} B of stack used. Of"
        f" {emulated['samples']:,} test images, a stratified sample, sent over serial, the outputs of"
        f" {emulated['differing']:,} differ from the host's; accuracy {emulated['accuracy']:.1%}."
    )
