"""Early rejection: how often it errs, and that nothing it rejects can matter."""

from __future__ import annotations

import numpy as np
import pytest

from mcu_nas.search.evaluation.early_rejection import PART, EarlyRejection, Needs, rival
from mcu_nas.search.exploration.history import Evaluation, best
from mcu_nas.search.exploration.pareto import front
from tests.search.synthetic import space

IMAGES = 3000


def raced(differences: np.ndarray) -> bool:
    """Whether a subnet is rejected whose losses differ from its rival's by so much, image by image."""
    rule = EarlyRejection()
    return any(rule.rejects(differences[:n], len(differences)) for n in rule.looks(len(differences)))


def heavy_tailed(rng: np.random.Generator, images: int = IMAGES) -> np.ndarray:
    """Differences of cross-entropies as subnets have them: mostly nothing, sometimes much; mean zero."""
    differences = rng.standard_t(3, images) * rng.exponential(0.05, images)
    return differences - differences.mean()


def share_rejected(mean: float, races: int = 1000) -> float:
    rng = np.random.default_rng(0)
    return float(np.mean([raced(heavy_tailed(rng) + mean) for _ in range(races)]))


def test_equal_subnet_is_rejected_no_more_often_than_stated() -> None:
    assert 0 < share_rejected(0.0) <= EarlyRejection().error


def test_better_subnet_is_hardly_ever_rejected() -> None:
    assert share_rejected(-0.003) <= 0.003


def test_much_worse_subnet_is_rejected() -> None:
    assert share_rejected(0.02) > 0.95


def test_first_look_already_rejects_the_hopeless() -> None:
    differences = heavy_tailed(np.random.default_rng(1)) + 0.05
    assert EarlyRejection().rejects(differences[:500], IMAGES)


@pytest.mark.parametrize("images", [1, PART, PART + 1, 600, 1000, 3000, 5000])
def test_looks_are_at_whole_parts_before_the_end(images: int) -> None:
    looks = EarlyRejection().looks(images)
    assert looks == sorted(set(looks))
    assert all(count % PART == 0 and count < images for count in looks)
    assert bool(looks) == (images > PART)


def random_log(rng: np.random.Generator, count: int) -> list[Evaluation]:
    return [
        Evaluation(
            strategy="start",
            generation=0,
            architecture=space().sample(rng),
            loss=float(rng.integers(1, 20)) / 10,
            accuracy=0.5,
            partial=bool(rng.random() < 0.2),
            macs=1,
            weights_bytes=1,
            peak_bytes=int(rng.integers(1, 5)),
            flash_bytes=int(rng.integers(1, 5)),
            instructions=int(rng.integers(1, 5)),
        )
        for _ in range(count)
    ]


def needs(e: Evaluation) -> Needs:
    return Needs(e.instructions, e.peak_bytes, e.flash_bytes)


@pytest.mark.parametrize("seed", range(40))
def test_who_is_worse_than_the_rival_is_neither_a_parent_nor_in_the_front(seed: int) -> None:
    rng = np.random.default_rng(seed)
    *log, new = random_log(rng, 25)
    found = rival(log, needs(new), places=4)
    if found is None:
        return
    (opponent,) = [e for e in log if e.architecture == found]
    assert not opponent.partial
    worse = Evaluation(**{**fields_of(new), "loss": opponent.loss + 0.01, "partial": False})
    assert worse not in best([*log, worse], 4)
    assert worse not in [e for _, e in front([*log, worse])]


def fields_of(e: Evaluation) -> dict[str, object]:
    return {name: getattr(e, name) for name in Evaluation.__dataclass_fields__}


def test_cheapest_subnet_races_nobody() -> None:
    log = random_log(np.random.default_rng(0), 30)
    assert rival(log, Needs(0, 9, 9), places=4) is None


def test_nobody_is_rejected_while_the_places_are_free() -> None:
    log = [e for e in random_log(np.random.default_rng(0), 30) if not e.partial][:3]
    assert rival(log, Needs(9, 9, 9), places=4) is None
    assert rival(log, Needs(9, 9, 9), places=3) is not None
