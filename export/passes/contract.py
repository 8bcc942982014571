"""What a pass requires of a network and what it guarantees, as data; both are checked when it runs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from spikeport.export.errors import NetworkError
from spikeport.export.network import (
    Convolution,
    Dense,
    FloatNetwork,
    FloatNeuron,
    FloatPopulation,
    MaxPooling,
    Normalization,
    Source,
    Stage,
)


@dataclass(frozen=True, kw_only=True)
class Property:
    """Something that holds for a network or not; ``name`` ends the sentence 'the network has ...'."""

    name: str
    holds: Callable[[FloatNetwork], bool]


@dataclass(frozen=True, kw_only=True, eq=False)
class Pass:
    """A function ``FloatNetwork -> FloatNetwork`` with the properties that it requires and those that it guarantees.

    Raises `NetworkError`, which names the pass, where a property is missing or the function refuses the network.
    """

    run: Callable[[FloatNetwork], FloatNetwork]
    requires: tuple[Property, ...]
    guarantees: tuple[Property, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "__doc__", self.run.__doc__)

    @property
    def name(self) -> str:
        """The function's name."""
        return self.run.__name__

    def __call__(self, network: FloatNetwork) -> FloatNetwork:
        for missing in (each for each in self.requires if not each.holds(network)):
            raise NetworkError(f"pass {self.name} requires {missing.name}; run the pass that guarantees it first")
        try:
            changed = self.run(network)
        except NetworkError as error:
            raise NetworkError(f"pass {self.name}, {error}") from None
        for missing in (each for each in self.guarantees if not each.holds(changed)):
            raise NetworkError(
                f"pass {self.name} guarantees {missing.name}, but its result has not; report this network"
            )
        return changed


def network_pass(
    *, requires: tuple[Property, ...] = (), guarantees: tuple[Property, ...]
) -> Callable[[Callable[[FloatNetwork], FloatNetwork]], Pass]:
    """Return a decorator that makes a function a `Pass`."""
    return lambda run: Pass(run=run, requires=requires, guarantees=guarantees)


def in_order(passes: Iterable[Pass]) -> tuple[Pass, ...]:
    """Return the passes, each after those that guarantee what it requires; ties by name."""
    waiting = sorted(passes, key=lambda each: each.name)
    ordered: list[Pass] = []
    while waiting:
        given = {each for done in ordered for each in done.guarantees}
        ready = next((each for each in waiting if given.issuperset(each.requires)), None)
        if ready is None:
            names = ", ".join(each.name for each in waiting)
            raise NetworkError(f"no order of the passes {names}: each requires what only others of them guarantee")
        waiting.remove(ready)
        ordered.append(ready)
    return tuple(ordered)


def is_stream(network: FloatNetwork, population: FloatPopulation) -> bool:
    """Return whether a population only hands on the sum of what arrives."""
    neuron = population.neuron
    if not isinstance(neuron, FloatNeuron) or neuron.threshold is not None or not network.outgoing(population.name):
        return False
    return bool(np.all(neuron.decay_potential == 1) and np.all(neuron.decay_current == 1) and np.all(neuron.gain == 1))


def _without(kind: type[Stage]) -> Callable[[FloatNetwork], bool]:
    return lambda network: not any(isinstance(stage, kind) for p in network.projections for stage in p.stages)


def _has_one_stage_each(network: FloatNetwork) -> bool:
    return all(
        len(projection.stages) == 1 and isinstance(projection.stages[0], Convolution | Dense)
        for projection in network.projections
    )


def _has_unit_gains(network: FloatNetwork) -> bool:
    return all(np.all(p.neuron.gain == 1) for p in network.populations if isinstance(p.neuron, FloatNeuron))


def _has_no_stream(network: FloatNetwork) -> bool:
    return not any(is_stream(network, population) for population in network.neurons)


def _is_balanced(network: FloatNetwork) -> bool:
    depths = network.depths()
    late = [p for p in network.projections if p.delay == 0 and network.slack(p, depths) > 0]
    return all(isinstance(network.population(projection.source).neuron, Source) for projection in late)


NO_MAX_POOLING = Property(name="no max pooling stages", holds=_without(MaxPooling))
NO_STREAMS = Property(name="no populations that only hand on a sum", holds=_has_no_stream)
UNIT_GAINS = Property(name="neurons with a gain of one", holds=_has_unit_gains)
NO_NORMALIZATION = Property(name="no normalisation stages", holds=_without(Normalization))
ONE_STAGE = Property(name="one convolution or dense stage per projection", holds=_has_one_stage_each)
BALANCED = Property(name="paths of equal length into every population, delays included", holds=_is_balanced)
