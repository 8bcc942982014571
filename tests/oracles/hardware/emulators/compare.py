"""Our reference's states of the cases beside the recordings of the emulators, integer by integer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from spikeport.export.executors import reference
from spikeport.export.network import Array, IntegerNetwork, IntegerNeuron, IntegerPopulation
from tests.oracles.hardware.emulators.cases import Case, cases
from tests.oracles.hardware.emulators.chip import kept

FOLDER = Path(__file__).parent
EMULATORS = {"nengo-loihi": "nengo_loihi.npz", "brian2_loihi": "brian2_loihi.npz"}
EXPLAINED = {
    "nengo-loihi": {"rule-accumulator": "accumulator", "rule-current": "current", "rule-input": "input"},
    "brian2_loihi": {"rule-current": "widths", "saturation": "widths", "rule-weight": "weight"},
}
"""Cases in which an emulator differs, and the rule of `rules.RULES` that says how."""
Advance = Callable[..., Array]
Arriving = Callable[[IntegerNetwork, IntegerPopulation, Sequence[Mapping[str, Array]], int], Array]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A state that differs: ``what`` says where and which; of large cases only that, of small ones also the values."""

    case: str
    what: str


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The neuron states of one case."""

    case: str
    states: int
    differences: tuple[Difference, ...]


@cache
def recorded(emulator: str) -> dict[str, Array]:
    """Return a recording, by case and key."""
    return dict(np.load(FOLDER / EMULATORS[emulator]))


def states(case: Case, advance: Advance = reference.advance, arriving: Arriving = reference.arriving) -> Array:
    """Return current, potential and spikes of every neuron after every step, (3, steps, neurons)."""
    network = case.network
    written = {name: each.values for name, each in case.biases().items()}
    at = {population.name: reference.at_rest(population, 1) for population in network.neurons}
    past: list[dict[str, Array]] = []
    rows = []
    for frame in case.spikes:
        past.insert(0, {network.source.name: frame[None].astype(np.int64)})
        for population in network.neurons:
            assert isinstance(population.neuron, IntegerNeuron)
            arrived = arriving(network, population, past, 1)
            given = (written[population.name],) if population.name in written else ()
            past[0][population.name] = advance(at[population.name], arrived, population.neuron, *given)
        ends = [(at[p.name].u, at[p.name].v, past[0][p.name]) for p in network.neurons]
        rows.append([np.concatenate([each.reshape(-1) for each in kind]) for kind in zip(*ends, strict=True)])
    return np.array(rows).astype(np.int64).swapaxes(0, 1)


def counts() -> dict[str, dict[str, int]]:
    """Return how many neuron states of each emulator were compared with the reference, and how many differ.

    Convolutions that nengo-loihi ran a second time, with kernels that positions share, count again.
    """
    runs = {emulator: list(compared(emulator)) for emulator in EMULATORS}
    return {
        name: {"compared": sum(run.states for run in found), "different": sum(len(run.differences) for run in found)}
        for name, found in runs.items()
    }


@cache
def expected() -> tuple[tuple[Case, Array], ...]:
    """Return all cases with the reference's states."""
    return tuple((case, states(case)) for case in cases())


def compared(emulator: str) -> Iterator[Compared]:
    """Yield every recorded run of a case outside of `EXPLAINED`, compared."""
    found = recorded(emulator)
    for case, ours in expected():
        if case.name not in EXPLAINED[emulator]:
            for name in (case.name, f"{case.name}+kernels"):
                if f"{name}/case" in found:
                    yield compare(name, case, ours, found)


def compare(name: str, case: Case, ours: Array, found: dict[str, Array]) -> Compared:
    """Compare ``ours`` with what the recording keeps of the case ``name``."""
    theirs = found.get(f"{name}/states")
    differ = _named(case, ours, theirs) if theirs is not None else _placed(case, ours, found, name)
    made = tuple(Difference(case=name, what=what) for what in differ)
    return Compared(case=name, states=ours[0].size, differences=made)


def _named(case: Case, ours: Array, theirs: Array) -> Iterator[str]:
    """Yield every state that differs, with both values."""
    for step, neuron in np.argwhere((ours != theirs).any(0)):
        mine, other = (dict(zip("uvs", each[:, step, neuron].tolist(), strict=True)) for each in (ours, theirs))
        yield f"{place(case, neuron)}, step {step}: ours {mine}, the emulator's {other}"


def _placed(case: Case, ours: Array, found: dict[str, Array], name: str) -> Iterator[str]:
    """Yield the steps and neurons whose digests differ, a state for each pair at most; at least one if any differs."""
    mine = kept(*ours)
    steps = np.flatnonzero((mine["steps"] != found[f"{name}/steps"]).any(1))
    neurons = np.flatnonzero(mine["neurons"] != found[f"{name}/neurons"])
    for step in steps:
        if not len(neurons):
            yield f"step {step}"
        for neuron in neurons:
            yield f"{place(case, neuron)}, step {step}: its states differ in some step, and this step's in some neuron"


def place(case: Case, neuron: int) -> str:
    """Return the population of a neuron and its place there."""
    for population in case.network.neurons:
        size = int(np.prod(population.shape))
        if neuron < size:
            return f"{population.name} {tuple(int(each) for each in np.unravel_index(neuron, population.shape))}"
        neuron -= size
    raise IndexError(neuron)
