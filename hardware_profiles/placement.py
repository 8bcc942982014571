"""Populations onto cores with synapses written out, under every limit of the chip.

Populations are placed from the readout back to the input, so the output axons of a neuron, one per core that it
reaches, are known when its turn comes; loops are placed again until their share is known too. Each population is
cut into runs of neighbouring neurons, each run as long as the rules allow. Memory is that of Loihi's sparse lists:
per input axon of a core, blocks of up to 64 synapses with a header, each synapse with weight and
index, rounded up to whole words.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from export.errors import PlacementError
from export.network import IntegerNetwork, IntegerPopulation
from hardware_profiles.limits import CoreUse, Utilisation, first_violation
from hardware_profiles.profile import Encoding, HardwareProfile
from hardware_profiles.unrolled import incoming

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Core:
    """The neurons ``first`` to ``last`` (inclusive, flat) of one population."""

    population: str
    first: int
    last: int
    use: CoreUse


@dataclass(frozen=True, kw_only=True)
class Placement:
    """All cores in the order of the network, and lower bounds that no placement can beat."""

    profile: HardwareProfile
    cores: tuple[Core, ...]
    bound_by_neurons: int
    bound_by_memory: int

    @property
    def chips(self) -> int:
        """Chips needed for the cores."""
        return -(-len(self.cores) // int(self.profile.limits.cores_per_chip.value))

    @property
    def max_core_memory(self) -> int:
        """Bytes on the fullest core."""
        return max(core.use.core_memory for core in self.cores)


def place(network: IntegerNetwork, profile: HardwareProfile) -> Placement:
    """Return where the neurons go; `PlacementError` names the first limit that one neuron alone breaks."""
    matrices = {p.name: incoming(network, p.name) for p in network.neurons}
    expected = _no_outputs(network)
    while True:
        cores, found = _placed(network, profile, matrices, expected)
        if all(np.all(found[name] <= expected[name]) for name in found):
            break
        expected = {name: np.maximum(expected[name], found[name]) for name in found}
    return Placement(
        profile=profile,
        cores=tuple(cores),
        bound_by_neurons=-(-sum(c.use.neurons for c in cores) // int(profile.limits.neurons.value)),
        bound_by_memory=math.ceil(_least_bytes(profile, cores) / profile.limits.synaptic_memory.value),
    )


def _least_bytes(profile: HardwareProfile, cores: list[Core]) -> float:
    """Return the synaptic memory of all synapses in full blocks, without rounding to words: no cut takes less."""
    encoding = profile.encoding
    entry = encoding.weight.value + encoding.index.value
    header = encoding.list_header.value / encoding.list_block.value
    return sum(core.use.synapses for core in cores) * (entry + header) / 8


def _placed(
    network: IntegerNetwork, profile: HardwareProfile, matrices: dict[str, csr_array], expected: dict[str, Counts]
) -> tuple[list[Core], dict[str, Counts]]:
    """Place all populations; return the cores, and the output axons per neuron into populations placed later.

    Those exist in loops only: what a neuron sends back to its own or an earlier population is not known when its turn
    comes, so ``expected`` stands in for it, and the placement is repeated until it is enough.
    """
    reached, back = _no_outputs(network), _no_outputs(network)
    cores: list[Core] = []
    waiting = {population.name for population in network.populations}
    for population in reversed(network.neurons):
        outputs = reached[population.name] + expected[population.name]
        placed = _cut(profile, population, matrices[population.name], outputs)
        cores = placed + cores
        for core in placed:
            _count_outputs(network, matrices[population.name], core, reached, back, waiting)
        waiting.discard(population.name)
    for index, core in enumerate(cores):
        span = slice(core.first, core.last + 1)
        cores[index] = replace(core, use=replace(core.use, output_axons=int(reached[core.population][span].sum())))
    return cores, back


def _no_outputs(network: IntegerNetwork) -> dict[str, Counts]:
    return {p.name: np.zeros(math.prod(p.shape), np.int64) for p in network.populations}


def list_bits(encoding: Encoding, synapses: Counts) -> Counts:
    """Return the bits of sparse lists with ``synapses`` entries each."""
    block, word = int(encoding.list_block.value), int(encoding.word.value)
    header, entry = int(encoding.list_header.value), int(encoding.weight.value + encoding.index.value)
    full, rest = np.divmod(synapses, block)
    whole = -(-(header + block * entry) // word) * word
    part = -(-(header + rest * entry) // word) * word
    return np.where(rest > 0, full * whole + part, full * whole)


def _cut(profile: HardwareProfile, population: IntegerPopulation, matrix: csr_array, outputs: Counts) -> list[Core]:
    cores, first, total = [], 0, matrix.shape[0]
    while first < total:
        last = _longest(profile, population, matrix, outputs, first)
        use = _use(profile, matrix, outputs, first, last + 1)
        cores.append(Core(population=population.name, first=first, last=last, use=use))
        first = last + 1
    return cores


def _longest(
    profile: HardwareProfile, population: IntegerPopulation, matrix: csr_array, outputs: Counts, first: int
) -> int:
    """Return the last neuron of the longest run from ``first`` that breaks no rule; uses only grow with length."""
    good, bad = first, min(matrix.shape[0], first + int(profile.limits.neurons.value)) + 1
    broken = first_violation(profile, _use(profile, matrix, outputs, first, first + 1))
    if broken is not None:
        raise PlacementError(_sentence(profile, population, *broken))
    good += 1
    while bad - good > 1:
        middle = (good + bad) // 2
        if first_violation(profile, _use(profile, matrix, outputs, first, middle)) is None:
            good = middle
        else:
            bad = middle
    return good - 1


def _sentence(profile: HardwareProfile, population: IntegerPopulation, rule: object, found: Utilisation) -> str:
    return (
        f"population {population.name} does not fit a core of {profile.name}: one neuron takes {found.used} of "
        f"{found.available} {found.resource.replace('_', ' ')}. {rule.__doc__}"
    )


def _use(profile: HardwareProfile, matrix: csr_array, outputs: Counts, first: int, end: int) -> CoreUse:
    sources = matrix.indices[matrix.indptr[first] : matrix.indptr[end]]
    per_axon = np.bincount(sources, minlength=1)
    per_axon = per_axon[per_axon > 0]
    synaptic = int(list_bits(profile.encoding, per_axon).sum()) // 8
    count = end - first
    state = count * int(profile.encoding.neuron_state.value)
    axons = len(per_axon) * int(profile.encoding.input_axon_entry.value)
    return CoreUse(
        neurons=count,
        synapses=len(sources),
        synaptic_memory=synaptic,
        core_memory=synaptic + state + axons,
        input_axons=len(per_axon),
        output_axons=int(outputs[first:end].sum()),
    )


def _count_outputs(
    network: IntegerNetwork,
    matrix: csr_array,
    core: Core,
    reached: dict[str, Counts],
    back: dict[str, Counts],
    waiting: set[str],
) -> None:
    """Add one output axon to every source neuron that reaches ``core``, in ``back`` too where its cores are known."""
    span = slice(matrix.indptr[core.first], matrix.indptr[core.last + 1])
    sources = np.unique(matrix.indices[span])
    start = 0
    for projection in network.incoming(core.population):
        size = math.prod(network.population(projection.source).shape)
        inside = sources[(sources >= start) & (sources < start + size)] - start
        reached[projection.source][inside] += 1
        if projection.source not in waiting or projection.source == core.population:
            back[projection.source][inside] += 1
        start += size
