"""A search space: counting, sampling, moving and encoding all come from one list of positions."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu_nas.spaces.architecture import Architecture
from mcu_nas.spaces.mbconv import stage_channels
from mcu_nas.spaces.space import Space, mbconv_space

seeds = st.integers(0, 2**32 - 1)
SPACE = mbconv_space(28, 1, 10)


def tiny_space() -> Space:
    """Few enough architectures to list them all: one option where nothing is said."""
    some = {"resolution": [28, 20], "width": [0.5], "stage1.depth": [2, 3], "stage1.block3.kernel": [3, 5]}
    one = {name: options[:1] for name, options in SPACE.options.items()}
    return SPACE.restricted({**one, **some, "stage2.block1.expand": [3, 6]})


def test_papers_space_holds_2_18e19_architectures_at_one_resolution_and_width() -> None:
    papers = mbconv_space(224, 3, 1000, resolutions=[224], widths=[1.0])
    assert papers.count() == (9**2 + 9**3 + 9**4) ** 5
    assert f"{papers.count():.2e}" == "2.18e+19"


def test_count_multiplies_with_resolutions_and_widths() -> None:
    assert mbconv_space(224, 3, 1000, resolutions=[48, 224], widths=[0.2, 0.5, 1.0]).count() == 6 * 7371**5


def test_count_is_the_number_of_distinct_architectures() -> None:
    space = tiny_space()
    every = product(*(position.options for position in space.positions))
    distinct = {space.canonical(dict(zip(space.options, choices, strict=True))) for choices in every}
    assert space.count() == len(distinct) == 12


def test_networks_that_differ_only_in_blocks_beyond_the_depth_are_one_architecture() -> None:
    choices = dict(SPACE.largest().choices) | {"stage3.depth": 2}
    other = choices | {"stage3.block3.kernel": 3, "stage3.block4.expand": 4}
    assert SPACE.canonical(choices) == SPACE.canonical(other)
    assert SPACE.lower(SPACE.canonical(choices)) == SPACE.lower(SPACE.canonical(other))


@given(seeds)
def test_samples_children_and_mutants_stay_in_the_space(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = SPACE.sample(rng), SPACE.sample(rng)
    mutant, child = SPACE.mutate(one, rng, 0.3), SPACE.crossover(one, other, rng)
    for architecture in (one, other, mutant, child):
        assert architecture in SPACE
        assert SPACE.canonical(dict(architecture.choices)) == architecture


@given(seeds)
def test_child_takes_each_active_choice_from_a_parent(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = SPACE.sample(rng), SPACE.sample(rng)
    child = SPACE.crossover(one, other, rng)
    assert all(child[name] in (one[name], other[name]) for name in SPACE.active(child))


def test_mutation_of_probability_zero_changes_nothing_and_of_one_redraws_everything() -> None:
    rng = np.random.default_rng(0)
    parent = SPACE.smallest()
    assert SPACE.mutate(parent, rng, 0.0) == parent
    drawn = [SPACE.mutate(parent, rng, 1.0) for _ in range(60)]
    for name in ("resolution", "width", "stage1.depth", "stage3.block1.kernel", "stage3.block2.expand"):
        assert {architecture[name] for architecture in drawn} == set(SPACE.options[name])


def test_same_seed_gives_the_same_walk() -> None:
    """Changing these pins is right when the space's positions or the order of its draws change: then runs
    of before cannot be resumed."""
    rng = np.random.default_rng(7)
    one, other = SPACE.sample(rng), SPACE.sample(rng)
    mutant, child = SPACE.mutate(one, rng, 0.1), SPACE.crossover(one, other, rng)
    depths = [f"stage{stage}.depth" for stage in range(1, 4)]
    rows = [[a["resolution"], a["width"], *(a[d] for d in depths)] for a in (one, other, mutant, child)]
    assert rows == [
        [28, 0.7, 3, 2, 3],
        [28, 0.9, 3, 1, 3],
        [28, 0.7, 3, 2, 3],
        [28, 0.7, 3, 1, 3],
    ]


@given(seeds, seeds)
def test_encodings_are_equal_exactly_where_architectures_are(seed: int, other_seed: int) -> None:
    one = SPACE.sample(np.random.default_rng(seed))
    other = SPACE.sample(np.random.default_rng(other_seed))
    near = SPACE.mutate(one, np.random.default_rng(other_seed), 0.02)
    for candidate in (other, near):
        assert np.array_equal(SPACE.encode(one), SPACE.encode(candidate)) == (one == candidate)


def test_encoding_has_one_one_per_active_position() -> None:
    vector = SPACE.encode(SPACE.smallest())
    assert vector.dtype == np.float32
    assert len(vector) == sum(len(options) for options in SPACE.options.values())
    assert vector.sum() == len(SPACE.active(SPACE.smallest()))


@given(seeds)
def test_architecture_survives_json(seed: int) -> None:
    architecture = SPACE.sample(np.random.default_rng(seed))
    again = Architecture.from_json(architecture.to_json())
    assert again == architecture
    assert hash(again) == hash(architecture)
    assert again in SPACE


def test_restricted_space_offers_only_what_is_allowed() -> None:
    space = SPACE.restricted({"resolution": [20], "stage1.depth": [2, 3]})
    assert space.options["resolution"] == (20,)
    assert space.options["stage1.depth"] == (2, 3)
    assert space.options["stage2.depth"] == SPACE.options["stage2.depth"]
    rng = np.random.default_rng(1)
    assert {space.sample(rng)["stage1.depth"] for _ in range(30)} == {2, 3}


@pytest.mark.parametrize("width", [0.2, 0.3, 0.5, 1.0])
def test_widths_of_a_stage_that_round_to_the_same_channels_become_one_option(width: float) -> None:
    one = SPACE.restricted({"width": [width]})
    distinct = one.without_equal_widths()
    for stage in (1, 2, 3):
        channels, all_channels = (
            [stage_channels(SPACE.template, stage, width, o) for o in space.options[f"stage{stage}.width"]]
            for space in (distinct, one)
        )
        assert channels == sorted(set(all_channels))


def test_architecture_of_another_space_is_not_contained() -> None:
    assert SPACE.largest() not in SPACE.restricted({"width": [0.2, 0.5]})
    assert mbconv_space(224, 3, 1000).largest() not in SPACE


def test_depth_and_operators_change_the_lowered_network() -> None:
    layers = {op_count(SPACE, depth) for depth in (2, 3, 4)}
    assert len(layers) == 3
    smallest, largest = SPACE.lower(SPACE.smallest()), SPACE.lower(SPACE.largest())
    assert smallest.shape(smallest.inputs[0]) == (1, 16, 16, 1)
    assert largest.shape(largest.inputs[0]) == (1, 28, 28, 1)
    assert largest.shape(largest.outputs[0]) == (1, 10)


def op_count(space: Space, depth: int) -> int:
    choices = dict(space.smallest().choices) | {"stage2.depth": depth}
    return len(space.lower(space.canonical(choices)).ops)


@pytest.mark.parametrize(
    ("image_px", "resolutions"),
    [(28, (16, 20, 28)), (32, (16, 20, 24, 32)), (96, (48, 60, 64, 72, 80, 96))],
)
def test_resolutions_are_those_that_the_images_can_fill(image_px: int, resolutions: tuple[int, ...]) -> None:
    assert mbconv_space(image_px, 3, 10).options["resolution"] == resolutions
