"""What a training says of itself while it goes on."""

from __future__ import annotations

import numpy as np
import pytest

from mcu_nas.search.exploration.history import Evaluation
from mcu_nas.search.exploration.pareto import front
from mcu_nas.search.exploration.progress import ExplorationProgress
from mcu_nas.search.listener import Figures, Remaining, Silence, Together, TrainingProgress
from mcu_nas.spaces.space import mbconv_space


class Heard(Silence):
    def __init__(self) -> None:
        self.said: list[tuple[int, int, str, Figures]] = []

    def progress(self, done: int, total: int, detail: str, figures: Figures | None = None) -> None:
        self.said.append((done, total, detail, figures or {}))


def test_training_is_counted_in_epochs_over_all_its_phases() -> None:
    heard = Heard()
    progress = TrainingProgress(heard, [(2, 50), (4, 100)], epoch=200)
    for step in range(1, 7):
        progress(step, 6, 0.5)
    epochs = [figures["epoch"] for *_, figures in heard.said]
    assert epochs == [0.25, 0.5, 1.0, 1.5, 2.0, 2.5]
    assert all(figures["epochs"] == 2.5 for *_, figures in heard.said)
    assert heard.said[2][:3] == (3, 6, heard.said[2][2])
    assert heard.said[2][2].startswith("epoch 1.0/2.5, loss 0.50")


def test_speed_is_that_of_the_steps_done_by_this_process() -> None:
    heard = Heard()
    progress = TrainingProgress(heard, [(100, 10)], epoch=100)
    progress(60, 100, 0.5)  # resumed here
    assert "images_per_second" not in heard.said[0][3]
    progress(61, 100, 0.5)
    progress(62, 100, 0.5)
    assert heard.said[-1][3]["images_per_second"] > 0
    assert heard.said[-1][2].endswith(" img/s")


def test_time_left_is_unknown_until_something_was_done(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("mcu_nas.search.listener.time.monotonic", lambda: now[0])
    remaining = Remaining()
    assert remaining.seconds(50, 100) is None
    now[0] = 5.0
    assert remaining.seconds(60, 100) == 20.0


def test_all_listeners_hear_the_same() -> None:
    one, other = Heard(), Heard()
    Together(one, other).progress(1, 2, "x", {"loss": 1.0})
    assert one.said == other.said == [(1, 2, "x", {"loss": 1.0})]


def test_front_as_it_grows_is_the_front_of_the_log_also_of_a_resumed_search() -> None:
    rng, space, heard = np.random.default_rng(0), mbconv_space(12, 1, 4), Heard()
    log = [
        Evaluation("start", 0, space.sample(rng), float(loss), 0.5, False, 1, 1, int(peak), 1, int(count))
        for loss, peak, count in rng.integers(1, 20, (40, 3))
    ]
    progress = ExplorationProgress(heard, log[:15], total=40)
    for evaluation in log[15:]:
        progress(evaluation)
    for (done, _, _, figures), count in zip(heard.said, range(16, 41), strict=True):
        assert (done, figures["front"]) == (count, len(front(log[:count])))
        assert figures["best_loss"] == min(e.loss for e in log[:count])
