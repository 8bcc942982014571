"""What `simulate` does beside its scores: other numbers of steps, and spikes, currents and potentials in files."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from spikeport.export.bounds import proof_sentence
from spikeport.export.errors import ExecutorError, StimulusError
from spikeport.export.files import check_place
from spikeport.export.network import FloatNetwork, IntegerNetwork, Network
from spikeport.export.numbers import STEPS, whole
from spikeport.export.probes import check_names, saved_probes
from spikeport.export.saved_spikes import Watch, chosen, saved_spikes
from spikeport.export.stimulus import Stimulus
from spikeport.toolchain.verbs.sources import AnyPath


@dataclass(frozen=True, kw_only=True)
class Watched:
    """Which files a run fills: ``spikes`` of all populations, ``probes`` of those named, of ``samples`` (None: all)."""

    spikes: Path | None = None
    probes: Path | None = None
    names: tuple[str, ...] = ()
    samples: tuple[int, ...] | None = None

    @property
    def files(self) -> list[Path]:
        """The files."""
        return [path for path in (self.spikes, self.probes) if path is not None]

    def check(self, network: Network) -> None:
        """Raise before the run what is wrong with names or places."""
        check_names(network, self.names)
        for path in self.files:
            check_place(path)
        if len(self.files) == 2 and self.files[0].absolute() == self.files[1].absolute():
            raise ExecutorError(f"spikes and probes both go to {self.files[0]}; give two names")

    @contextmanager
    def watches(self, network: Network, stimulus: Stimulus, executor: str) -> Iterator[list[Watch]]:
        """Yield what takes every step of a run."""
        chosen(self.samples, len(stimulus))
        with ExitStack() as held:
            found = []
            if self.spikes is not None:
                found.append(held.enter_context(saved_spikes(self.spikes, network, stimulus, self.samples)))
            if self.probes is not None:
                probes = saved_probes(
                    self.probes, network, stimulus, self.names, executor=executor, samples=self.samples
                )
                found.append(held.enter_context(probes))
            yield found


def watched(
    spikes: AnyPath | None, probes: AnyPath | None, names: Sequence[str], samples: Sequence[int] | None
) -> Watched:
    """Return the files of a run; `ExecutorError` where one is asked for without what it holds."""
    if (probes is None) != (not names):
        raise ExecutorError("probes need layers and a file; expected --probe LAYER beside --save-probes FILE.npz")
    if samples is not None and spikes is None and probes is None:
        raise ExecutorError("samples were chosen, and nothing of them is saved; expected --save-spikes or --probe, too")
    return Watched(
        spikes=None if spikes is None else Path(spikes),
        probes=None if probes is None else Path(probes),
        names=tuple(dict.fromkeys(names)),
        samples=None if samples is None else tuple(samples),
    )


def with_steps(network: Network, steps: int | None) -> tuple[Network, tuple[str, ...]]:
    """Return the network with so many steps a sample, and what that changes; the network as it is for None."""
    if steps is None or steps == network.steps:
        return network, ()
    whole(steps, "steps", STEPS, error=StimulusError)
    if isinstance(network, FloatNetwork):
        return replace(network, steps=steps), (f"T is {steps} steps in place of the network's {network.steps}",)
    changed: IntegerNetwork = replace(network, steps=steps, bounds={})
    told = f"T is {steps} steps in place of the network's {network.steps}; {proof_sentence(changed)}"
    return changed, (told,)
