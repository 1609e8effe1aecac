"""card.md: a card's record in words and tables, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mcu_nas.report.card_memory import device, memory
from mcu_nas.report.markdown import shape, table

_Record = Mapping[str, Any]

_LIMITS = {
    "sram_bytes": "arena",
    "flash_bytes": "flash without the harness, estimated",
    "weights_bytes": "weights",
    "latency_ms": "latency, estimated",
}


def card_markdown(card: _Record) -> str:
    """The text of card.md, from what card.json holds."""
    sections = (
        _head,
        _rebuild,
        _costs,
        _accuracy,
        _architecture,
        _training,
        _curve,
        memory,
        device,
        _data,
    )
    return "\n\n".join("\n".join(lines) for section in sections if (lines := list(section(card)))) + "\n"


def _head(card: _Record) -> Iterator[str]:
    model, accuracy = card["model"], card["accuracy"]
    yield f"# {card['name']}"
    yield ""
    yield (
        f"A classifier of {card['data']['name']} in {len(model['labels'])} classes, found by mcu_nas for"
        f" `{card['board']}`: **{accuracy['int8']:.2%}** of {accuracy['images']:,} test images in int8,"
        f" {model['weights_bytes']:,} B of weights, an arena of {model['peak_bytes']['planned']:,} B,"
        f" {model['macs'] / 1e6:.3f} M MACs."
    )
    yield ""
    yield f"`model.tflite`: {model['tflite_bytes']:,} B, SHA-256 `{model['sha256']}`."
    yield "`card.json` holds all of this page as data."


def _rebuild(card: _Record) -> Iterator[str]:
    yield "## Rebuild"
    yield ""
    yield "```sh"
    yield " \\\n  && ".join(card["rebuild"])
    yield "```"
    yield ""
    yield (
        "The same seed, number of threads and versions give the same bytes: "
        + ", ".join(f"{name} {version}" for name, version in card["versions"].items())
        + "."
    )


def _costs(card: _Record) -> Iterator[str]:
    model = card["model"]
    latency = model["latency"]
    yield "## Limits and costs"
    yield ""
    rows = [
        (
            _LIMITS[row["limit"]],
            _amount(row["limit"], row["needs"]),
            _amount(row["limit"], row["at_most"]),
            "asked" if row["asked"] else "the board's",
        )
        for row in card["constraints"]
    ]
    yield from table(("", "needs", "at most", ""), rows)
    yield ""
    yield (
        f"Latency on {latency['board']}: {latency['central_ms']:.1f} ms {latency['kind']}, range"
        f" {latency['low_ms']:.1f} to {latency['high_ms']:.1f} ms. Constants {model['constants_bytes']:,} B"
        f" (weights, biases, factors), code {model['code_bytes_estimated']:,} B estimated, file"
        f" {model['tflite_bytes']:,} B."
    )
    yield ""
    images = [
        (board, *(f"{image[key]:,}" for key in ("flash_bytes", "code_bytes", "constant_bytes", "sram_bytes")))
        for board, image in card["firmware"].items()
    ]
    yield from table(("linked firmware", "flash B", "code B", "constants B", "SRAM B"), images)


def _amount(limit: str, value: float) -> str:
    return f"{value:.1f} ms" if limit == "latency_ms" else f"{value:,} B"


def _accuracy(card: _Record) -> Iterator[str]:
    accuracy = card["accuracy"]
    yield "## Accuracy"
    yield ""
    rows = [("float", f"{accuracy['float']:.2%}"), ("int8", f"{accuracy['int8']:.2%}")]
    yield from table((f"{accuracy['images']:,} test images", ""), rows)
    yield ""
    compared = accuracy["compared_with_tflite_micro"]
    if compared:
        yield (
            f"Outputs compared with TFLite Micro's, bit for bit: {compared:,} images, of which"
            f" {accuracy['differing']:,} differ."
        )
    else:
        yield "Not compared with TFLite Micro, which was not installed."


def _architecture(card: _Record) -> Iterator[str]:
    model = card["model"]
    yield "## Architecture"
    yield ""
    source = model["input"]
    yield (
        f"Input {shape(source['shape'])}, int8 of scale {source['scale']:.6g} and zero point"
        f" {source['zero_point']}. `architecture.json` has the choices in the search space."
    )
    yield ""
    rows = [
        (block["block"], block["layers"], shape(block["output_shape"]), f"{block['macs']:,}")
        for block in model["blocks"]
    ]
    yield from table(("block", "layers", "output", "MACs"), rows)


def _training(card: _Record) -> Iterator[str]:
    training, request = card["training"], card["request"]
    yield "## Training record"
    yield ""
    yield f"Effort {request['effort']}, seed {request['seed']}, threads {request['threads']}."
    yield ""
    names = ("supernet", "exploration", "fine_tune", "quantization_aware")
    stages = [(name, *_stage(training[name])) for name in names if name in training]
    yield from table(("stage", "what", "seconds"), stages)
    source = request["source"]
    if source:
        yield ""
        yield f"The supernet is that of `{source['run']}` (SHA-256 `{source['sha256']}`), trained there."
    control = training.get("exploration", {}).get("control")
    if control:
        yield ""
        yield (
            f"Random search with {control['subnets_evaluated']:,} evaluations beside it:"
            f" {control['best_accuracy']:.2%} of the validation images at best."
        )
    if "holdout" in training:
        holdout = training["holdout"]
        yield ""
        yield (
            f"On {holdout['images']:,} images that neither training nor search saw, the winner's loss was"
            f" better than that of {holdout['better_than']} of {holdout['others']} random networks within the"
            " limits."
        )
    if "effort" in training:
        yield ""
        yield from _schedules(training["effort"])


def _stage(section: _Record) -> tuple[str, str]:
    """What a stage did, in words, and its seconds; stages record different things."""
    counts = {
        "epochs": "{:.1f} epochs",
        "images": "{:,} images",
        "steps": "{:,} steps",
        "subnets_evaluated": "{:,} subnets evaluated",
        "rejected": "{:,} rejected unevaluated",
    }
    words = [text.format(section[key]) for key, text in counts.items() if section.get(key) is not None]
    seconds = section.get("seconds")
    return ", ".join(words), "" if seconds is None else f"{seconds:,.0f}"


def _schedules(effort: _Record) -> Iterator[str]:
    """Every setting of the effort: a row for what it holds itself, and one for each schedule in it."""
    rows = [(path or "effort", ", ".join(values)) for path, values in _grouped(effort)]
    yield from table(("settings of", "values"), rows)


def _grouped(settings: _Record, path: str = "") -> Iterator[tuple[str, list[str]]]:
    own = {name: value for name, value in settings.items() if not isinstance(value, Mapping)}
    if own:
        yield path, [f"{name} {value}" for name, value in own.items()]
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _grouped(value, f"{path}.{name}".lstrip("."))


def _curve(card: _Record) -> Iterator[str]:
    training = card["training"]
    if not training.get("curve"):
        return
    before = sum(training[stage]["seconds"] for stage in ("supernet", "exploration") if stage in training)
    yield "## Accuracy against time"
    yield ""
    yield "On validation images, while the winner trained. `since start` adds supernet and exploration."
    yield ""
    rows = [
        (
            *(
                "–" if point["seconds"] is None else f"{earlier + point['seconds']:,.0f}"
                for earlier in (0, before)
            ),
            f"{point['images']:,}",
            f"{point['accuracy']:.2%}",
        )
        for point in training["curve"]
    ]
    yield from table(("seconds", "since start", "images", "accuracy"), rows)


def _data(card: _Record) -> Iterator[str]:
    data = card["data"]
    yield "## Data"
    yield ""
    yield (
        f"{data['name']}: {data['train_images']:,} training and {data['test_images']:,} test images of"
        f" {data['height']}×{data['width']}×{data['channels']}, {data['preparation']}. "
        + (data["terms"] or "Their terms are their owner's to know")
        + "."
    )
    yield (
        "The weights began random and saw these training images alone; the test images gave the figures above"
        " and nothing else."
    )
    yield ""
    yield "Labels: " + ", ".join(card["model"]["labels"]) + "."
