"""What a run found, in words, from its run.json, as far as it has come."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from mcu_nas.cli.space import statistics_grid
from mcu_nas.search.run.run_folder import RunFolder
from mcu_nas.spaces.stage_one import SpaceStatistics


def winner_summary(folder: RunFolder) -> str:
    """The whole story of a finished run: space, search, winner, accuracy, firmware."""
    run = folder.read()
    return f"{story(run)}\n\n{_files(folder)}\nnext: {next_command(folder, run)}"


def story(run: Mapping[str, Any]) -> str:
    """What the sections of run.json that are there tell, a paragraph each; empty where there are none."""
    told = {name: "\n".join(lines(run)) for name, lines in _SECTIONS.items() if name in run}
    paragraphs = (
        "\n".join(told[name] for name in names if name in told)
        for names in (
            ("stage_one",),
            ("supernet", "exploration", "holdout"),
            ("winner",),
            ("accuracy",),
            ("firmware",),
        )
    )
    return "\n\n".join(filter(None, paragraphs))


def next_command(folder: RunFolder, run: Mapping[str, Any]) -> str:
    """What one would do with a finished run."""
    board = run["emulated"]["board"] if "emulated" in run else f"{run['request']['board']} --port PORT"
    return f"mcu-nas measure {shlex.quote(str(folder.path))} --board {board}"


def _space(run: Mapping[str, Any]) -> Iterator[str]:
    found = run["stage_one"]
    yield "Search space: share of sampled networks that fit, and mean MACs (millions) of those that do"
    yield ""
    yield statistics_grid([SpaceStatistics(**row) for row in found["spaces"]])
    yield ""
    yield f"chosen: width {found['width']:g} at {found['resolution']} px: {found['reason']}"
    yield f"        {found['architectures']:,} architectures remain"


def _supernet(run: Mapping[str, Any]) -> Iterator[str]:
    supernet, source = run["supernet"], run["request"].get("source")
    whose, seconds = (f" of {source['run']}", "") if source else ("", f" in {supernet['seconds']:.0f} s")
    yield (
        f"Supernet{whose}: {supernet['epochs']:.1f} epochs{seconds},"
        f" largest subnet {supernet['largest_macs'] / 1e6:.2f} M MACs"
    )


def _exploration(run: Mapping[str, Any]) -> Iterator[str]:
    exploration = run["exploration"]
    control, curve = exploration["control"], exploration["fitness_curve"]
    beside = f" and {control['subnets_evaluated'] - exploration['start']} of its control" if control else ""
    yield (
        f"Search ({exploration['strategy']}): {exploration['subnets_evaluated']} subnets{beside} evaluated"
        f" in {exploration['seconds']:.0f} s,"
        f" {exploration['rejected']:,} rejected before that as they do not fit"
    )
    yield "best validation loss by generation: " + " ".join(f"{point['best_loss']:.4f}" for point in curve)
    if run.get("predictor"):
        yield _predictor(run["predictor"])
    if control:
        yield from _control(exploration, control)


def _predictor(quality: Mapping[str, Any]) -> str:
    return (
        f"the predictor that chose them ranks held-out ones with Kendall's tau {quality['kendall_tau']:.2f}"
        f" (MACs: {quality['kendall_tau_of_macs']:.2f}), mean error {quality['mean_absolute_error']:.4f}"
        f" (of the mean: {quality['error_of_mean']:.4f})"
    )


def _control(exploration: Mapping[str, Any], control: Mapping[str, Any]) -> Iterator[str]:
    after = control["matched_after"]
    if after is None:
        matched = "which the search did not reach"
    elif after <= exploration["start"]:
        matched = "found in the random start that both share"
    else:
        matched = f"which the search reached after {after}"
    yield f"random search with as many evaluations: {control['best_loss']:.4f}, {matched}"
    yield (
        f"of random search's front the search's dominates {control['front_dominated']:.0%},"
        f" and is dominated in {control['front_dominates']:.0%} of its own"
    )
    if exploration["winner_by"] == "random":
        yield "the winner was found by random search, not by the strategy"


def _holdout(run: Mapping[str, Any]) -> Iterator[str]:
    holdout = run["holdout"]
    yield (
        f"On {holdout['images']:,} images that the search never saw, the winner's loss is better than that of"
        f" {holdout['better_than']} of {len(holdout['others'])} random feasible subnets"
        f" (its accuracy: {holdout['better_than_by_accuracy']})"
    )


def _winner(run: Mapping[str, Any]) -> Iterator[str]:
    winner, board = run["winner"], run["request"]["board"]
    latency = winner["latency"]
    yield (
        f"Winner for {board}: {winner['macs'] / 1e6:.2f} M MACs, arena {winner['peak_bytes']:,} B,"
        f" flash {winner['flash_bytes']:,} B without the harness"
    )
    yield (
        f"latency on {board}: {latency['central_ms']:.1f} ms estimated"
        f" (range {latency['low_ms']:.1f} to {latency['high_ms']:.1f} ms; not measured on a board)"
    )


def _accuracy(run: Mapping[str, Any]) -> Iterator[str]:
    accuracy = run["accuracy"]
    yield (
        f"Test accuracy: int8 {accuracy['int8']:.2%}, float {accuracy['float']:.2%},"
        f" {accuracy['images']:,} images through the generated C on this computer"
    )
    compared = accuracy["compared_with_tflite_micro"]
    if compared:
        equal = compared - accuracy["differing"]
        yield f"outputs equal to TFLite Micro's, bit for bit: {equal} of {compared} images"
    else:
        yield "not compared with TFLite Micro: pip install --pre 'mcu-nas[reference]'"


def _firmware(run: Mapping[str, Any]) -> Iterator[str]:
    for board, image in run["firmware"].items():
        yield (
            f"Firmware for {board}: flash {image['flash_bytes']:,} B, SRAM {image['sram_bytes']:,} B"
            f" (arena {image['arena_bytes']:,}, stack {image['stack_bytes']:,}): {image['elf']}"
        )
    if "emulated" in run:
        emulated = run["emulated"]
        per_mac = emulated["instructions"] / run["winner"]["macs"]
        yield (
            f"Emulated {emulated['board']}: {emulated['instructions']:,} instructions"
            f" ({per_mac:.2f} per MAC), stack used {emulated['stack_used_bytes']:,} B"
        )
        equal, samples = emulated["samples"] - emulated["differing"], emulated["samples"]
        yield f"outputs over serial equal to the host's, bit for bit: {equal} of {samples} test images"


def _files(folder: RunFolder) -> str:
    return f"model   {folder.model}\nC       {folder.sources}\npicture {folder.picture}"


_SECTIONS = {
    "stage_one": _space,
    "supernet": _supernet,
    "exploration": _exploration,
    "holdout": _holdout,
    "winner": _winner,
    "accuracy": _accuracy,
    "firmware": _firmware,
}
