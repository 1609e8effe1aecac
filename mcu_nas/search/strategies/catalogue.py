"""The strategies by name, with the parameters that an effort gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mcu_nas.search.effort import Effort
from mcu_nas.search.strategies.aging import AgingEvolution
from mcu_nas.search.strategies.evolution import Evolution
from mcu_nas.search.strategies.random import Random
from mcu_nas.search.strategies.strategy import Strategy
from mcu_nas.spaces.space import Space


def _aging(space: Space, effort: Effort) -> Strategy:
    """The paper's proportions: a quarter of the population in a tournament."""
    return AgingEvolution(
        space,
        effort.population,
        tournament=max(2, effort.population // 4),
        batch=max(1, effort.population // 4),
    )


def _nsga2(space: Space, effort: Effort) -> Strategy:
    from mcu_nas.search.strategies.nsga2 import Nsga2  # the only one that needs pymoo

    return Nsga2(space, effort.population)


STRATEGIES: Mapping[str, Callable[[Space, Effort], Strategy]] = {
    "evolution": lambda space, effort: Evolution(space, effort.population, effort.parents),
    "aging": _aging,
    "nsga2": _nsga2,
    "random": lambda space, effort: Random(space, effort.population),
}
