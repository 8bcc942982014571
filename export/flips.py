"""How many spikes differ between a float network and networks in integers that were made of it, step by step.

A spike flips where the same neuron fires at the same step in one network and not in the other. Networks run in step,
and no trace is kept: what stands are counts per population and sample.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spikeport.export.certificate import Certificates, refusal
from spikeport.export.errors import NetworkError
from spikeport.export.executors import fast, floating, reference
from spikeport.export.network import Array, FloatNetwork, IntegerNetwork, Network
from spikeport.export.progress import Progress
from spikeport.export.stimulus import Stimulus
from spikeport.export.trace import Scores, Step

AT_ONCE = 2**22
"""Neurons of all samples of a batch; each takes about a dozen numbers of 64 bits."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Ran:
    """A network on all samples: ``scores`` (N, outputs), and certificates (N,) or why there are none.

    ``flips``: by population, in how many neurons and steps of each sample (N,) the spike is another than in the float
    network; nothing for that one itself.
    """

    scores: Array
    flips: Mapping[str, Array]
    certificates: Certificates | None
    refused: str | None


class Flips:
    """Folds over the same steps of two networks: counts (samples,) by population."""

    def __init__(self, network: Network, samples: int) -> None:
        self.counts = {population.name: np.zeros(samples, np.int64) for population in network.spiking}

    def add(self, first: Step, second: Step) -> None:
        """Compare one step of some samples."""
        for name, counts in self.counts.items():
            different = first.spikes[name] != second.spikes[name]
            counts[first.rows] += different.reshape(len(different), -1).sum(axis=1)


def check_alike(network: FloatNetwork, other: Network, name: str) -> None:
    """Raise `NetworkError` unless ``other`` has the spiking populations, the input and the steps of ``network``."""
    expected, found = (_outline(each) for each in (network, other))
    if other.steps != network.steps:
        raise NetworkError(f"{name}: runs {other.steps} steps, the float network {network.steps}; expected as many")
    wrong = sorted({key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key)})
    if wrong:
        first = wrong[0]
        raise NetworkError(
            f"{name}: population {first} is {found.get(first, 'missing')}, in the float network "
            f"{expected.get(first, 'missing')}; expected a network that was made of it"
        )


def compared(
    network: FloatNetwork,
    others: Sequence[IntegerNetwork],
    stimulus: Stimulus,
    *,
    levels: Sequence[float] = (),
    title: str = "comparing",
) -> list[Ran]:
    """Run a folded float network and integer networks of it, and return what was found of each, the float one first.

    Spikes come from the floating and the fast executor. Certificates of integers need their potentials, which the
    reference executor gives in a run of its own. ``others`` must be alike (`check_alike`); ``levels`` as in
    `Certificates`.
    """
    networks: list[Network] = [network, *others]
    batch = max(1, min(floating.BATCH, AT_ONCE // sum(math.prod(each.shape) for each in network.neurons)))
    scores = [Scores(each, len(stimulus)) for each in networks]
    flips = [Flips(each, len(stimulus)) for each in others]
    refused = [refusal(each) for each in networks]
    found = [
        None if why else Certificates(each, len(stimulus), levels) for each, why in zip(networks, refused, strict=True)
    ]
    steps = network.steps * sum(1 for _ in stimulus.batches(batch))
    progress = _Counted(title, steps * (len(networks) + sum(each is not None for each in found[1:])))
    runs = (
        floating.steps(network, stimulus, batch=batch),
        *(fast.steps(each, stimulus, batch=batch) for each in others),
    )
    for first, *after in zip(*runs, strict=True):
        for score, step in zip(scores, (first, *after), strict=True):
            score.add(step)
        for flip, step in zip(flips, after, strict=True):
            flip.add(first, step)
        if found[0] is not None:
            found[0].add(first)
        progress.more(len(networks))
    for other, certificates in zip(others, found[1:], strict=True):
        if certificates is not None:
            for step in reference.steps(other, stimulus, batch=batch):
                certificates.add(step)
                progress.more(1)
    counts = ({}, *(flip.counts for flip in flips))
    return [
        Ran(scores=score.values, flips=count, certificates=certificates, refused=why)
        for score, count, certificates, why in zip(scores, counts, found, refused, strict=True)
    ]


class _Counted:
    """Progress of work that is done in parts of different size."""

    def __init__(self, title: str, total: int) -> None:
        self.progress, self.done, self.total = Progress(title), 0, total

    def more(self, parts: int) -> None:
        """Show so many more parts."""
        self.done += parts
        self.progress.update(self.done, self.total)


def _outline(network: Network) -> dict[str, tuple[int, ...]]:
    """Return what flips are counted over: the shape of the input and of each spiking population, by name."""
    return {each.name: each.shape for each in (network.source, *network.spiking)}
