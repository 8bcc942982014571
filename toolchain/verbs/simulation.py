"""Run a network on images."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spikeport.export import biases as host
from spikeport.export import simulation
from spikeport.export.bias_form import Rounding, measured
from spikeport.export.cluster import Cluster
from spikeport.export.crossings import costed
from spikeport.export.errors import ExecutorError, NetworkError
from spikeport.export.executors import executor as find_executor
from spikeport.export.files import check_place, locked, write_arrays
from spikeport.export.network import Array, BiasNetwork, FloatNetwork, IntegerNetwork, Network
from spikeport.export.progress import QUIET_SECONDS, announce
from spikeport.export.shown import Shown
from spikeport.export.stimulus import InputSettings, Stimulus
from spikeport.export.three_counts import NOT_VERIFIED, VERIFY, Verification
from spikeport.export.trace import score_rule
from spikeport.hardware_profiles.report.text import table
from spikeport.hardware_profiles.result import plain
from spikeport.toolchain.verbs.sources import (
    AnyInput,
    AnyPath,
    any_network,
    check_not_input,
    images_and_labels,
    labels_of,
    names_file,
    prepared,
    wrote,
)
from spikeport.toolchain.verbs.watching import watched, with_steps

SHOWN = 20
"""Classes that the text shows."""
WORDS = {
    "count": "spikes of its neuron over the sample",
    "last": "potential of its neuron after the last step",
    "mean": "mean over all steps of what its neuron puts out",
    "max": "largest value over all steps that its neuron puts out",
}


@dataclass(frozen=True, kw_only=True)
class SimulationSettings:
    """How to run.

    ``executor``: one of `executor_names`; None is 'fast' for integer networks and 'floating' for float ones. ``score``:
    what decides the class, 'count' of spikes, 'last', 'mean' or 'max'; None is the network's own
    (`spikeport.export.trace.score_rule`). ``count`` adds the synaptic operations of every projection (executor
    'fast', any one of float networks, whose projections are those of the folded form): spike counts times fan-outs,
    held against the counts of the kernels and of the reference on ``verify`` images (4, if None; 0: none).
    ``cluster`` shares the images among the workers of a Dask cluster. ``resume`` goes on from the finished parts of
    an interrupted run, which lie beside ``out``. ``steps`` in place of the network's, where the input is held,
    or has so many. ``probe``: populations whose currents and potentials are saved; ``samples``: numbers of those of
    which spikes and probes are saved, all if None.
    """

    executor: str | None = None
    score: str | None = None
    count: bool = False
    cluster: Cluster | None = None
    resume: bool = False
    verify: int | None = None
    steps: int | None = None
    probe: Sequence[str] = ()
    samples: Sequence[int] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Simulation(Shown):
    """What came out of ``executor``: ``classes`` (N,) and ``scores`` (N, outputs), one per image.

    ``score``: what the scores are (`WORDS`). ``accuracy``: share of the images whose class is their label, where labels
    are known. ``operations``: accumulates (multiply-accumulates from a graded input) per projection over all images,
    where they were counted; ``verification``: the same by other ways on sampled images. ``rounding``: what the bias
    registers changed, of a network whose input are biases. ``steps``: T; ``notes``: what differs from the network as
    it is; ``files``: those of spikes and probes.
    """

    executor: str
    score: str
    classes: Array
    scores: Array
    accuracy: float | None = None
    operations: dict[str, int] | None = None
    verification: Verification | None = None
    rounding: Rounding | None = None
    steps: int | None = None
    notes: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the counts may be believed; False is exit code 1."""
        return self.verification is None or self.verification.passed

    def text(self) -> str:
        """Return the first classes, the accuracy and the operations."""
        images = len(self.classes)
        shown = " ".join(map(str, self.classes[:SHOWN])) + (" ..." if images > SHOWN else "")
        parts = [f"{images} images, {self.executor}: classes {shown}\nscore of a class: {WORDS[self.score]}"]
        if self.accuracy is not None:
            parts[0] += f"\naccuracy {100 * self.accuracy:.1f} %"
        if self.operations is not None:
            rows = [(name, f"{n:,}", f"{n / images:,.0f}") for name, n in self.operations.items()]
            parts.append(table(("synaptic operations, Eq. 12 fused", "all images", "per image"), rows))
            parts.append(NOT_VERIFIED if self.verification is None else self.verification.text())
        if not self.passed and self.verification is not None:
            parts.append("\n".join(("FAILED:", *self.verification.reasons)))
        if self.rounding is not None:
            parts.append(self.rounding.text())
        parts[0] = "\n".join([*self.notes, parts[0], *(line for path in self.files for line in wrote(path))])
        return "\n\n".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Return classes, scores, accuracy, operations with their mode and verification, and what rounding changed."""
        return {
            "executor": self.executor,
            "steps": self.steps,
            "notes": list(self.notes),
            "score": self.score,
            "classes": self.classes.tolist(),
            "scores": self.scores.tolist(),
            "accuracy": self.accuracy,
            "operations": self.operations,
            "mode": None if self.operations is None else "fused",
            "verification": plain(self.verification),
            **({} if self.rounding is None else {"rounding": self.rounding.to_dict()}),
        }


@names_file
def simulate(
    network: Network | AnyPath,
    images: AnyInput,
    *,
    labels: Array | None = None,
    settings: SimulationSettings | None = None,
    out: AnyPath | None = None,
    reading: InputSettings | None = None,
    biases: AnyPath | None = None,
    save_spikes: AnyPath | None = None,
    save_probes: AnyPath | None = None,
) -> Simulation:
    """Run ``network`` on ``images`` and return the class of the largest score per image.

    The score of a class is the number of spikes of its neuron where the last population fires, else the neuron's
    potential after the last step, or its mean over the steps where nothing is kept from step to step;
    ``settings.score`` names another. ``labels`` (N,): those of a .npz file, if None. ``settings``: the executor, the
    score, counting, a cluster. ``out``: a .npz file for ``classes`` and ``scores``; finished parts of a long run lie
    beside it until the end. ``reading``: the unit of the images' numbers, and how events become steps. ``biases``: a
    .npz file for what the host writes where the input goes in as biases, ``NAME.mantissa`` (N, *shape) and
    ``NAME.exponent`` of every population that gets them. ``save_spikes``: a .npz file for the spikes of every
    population, ``save_probes``: for currents and potentials of ``settings.probe`` (docs/formats.md). Raises
    `StimulusError` for images that do not fit the network and `ExecutorError` for an executor that cannot run it or
    count.
    """
    check_not_input(out, network, images)
    chosen = settings or SimulationSettings()
    saved = watched(save_spikes, save_probes, chosen.probe, chosen.samples)
    for path in (biases, *saved.files):
        check_not_input(path, network, images)
    as_given, notes = with_steps(any_network(network), chosen.steps)
    loaded = prepared(as_given, reading)
    if chosen.verify is not None and not chosen.count:
        raise ExecutorError("verify counts operations in other ways, and none are counted; count, too (--count)")
    real, counted = isinstance(loaded, FloatNetwork), loaded
    if chosen.count and isinstance(loaded, FloatNetwork):
        both = costed(loaded)
        loaded, counted = both.run, both.synapses
    name = chosen.executor or ("floating" if real else "fast")
    find_executor(name, type(loaded))
    saved.check(loaded)
    stimulus, known = images_and_labels(images, loaded, reading)
    truth = labels_of(known, labels, len(stimulus), loaded)
    if biases is not None:
        _write_biases(loaded, stimulus, Path(biases))
    kept = _parts_of(out, resume=chosen.resume)
    _announce(loaded, stimulus, name, chosen)
    with (
        nullcontext() if out is None or kept is None else locked(Path(out)),
        saved.watches(loaded, stimulus, name) as watches,
    ):
        result = simulation.simulate(
            loaded,
            stimulus,
            executor=name,
            score=chosen.score,
            count=chosen.count,
            cluster=chosen.cluster,
            kept=kept,
            resume=chosen.resume,
            verify=VERIFY if chosen.verify is None else chosen.verify,
            watches=watches,
        )
        classes = result.scores.argmax(1)
        if out is not None:
            write_arrays(Path(out), {"classes": classes, "scores": result.scores}, compressed=True)
        result.discard()
    return Simulation(
        executor=name,
        score=score_rule(loaded, chosen.score),
        classes=classes,
        scores=result.scores,
        accuracy=None if truth is None else float((classes == truth).mean()),
        operations=None if result.operations is None else _named(counted, result.operations),
        verification=result.verification,
        rounding=measured(loaded, stimulus) if isinstance(loaded, BiasNetwork) else None,
        steps=loaded.steps,
        notes=notes,
        files=tuple(saved.files),
    )


def _parts_of(out: AnyPath | None, *, resume: bool) -> Path | None:
    """Return the folder for finished parts, beside the file to write; a device or pipe has none."""
    if out is None:
        if resume:
            raise ExecutorError("to resume needs a file to write (--out): finished parts lie beside it")
        return None
    if check_place(Path(out)):
        return None
    return Path(out).with_name(f"{Path(out).name}.parts")


def _write_biases(network: Network, stimulus: Stimulus, path: Path) -> None:
    """Write what the host puts into the registers for every image."""
    if not isinstance(network, BiasNetwork):
        raise NetworkError("the network takes no biases of images; expected one with its input as biases")
    stimulus.require_held()
    kinds = {"mantissa": np.int16, "exponent": np.uint8}
    arrays = {
        f"{population.name}.{part}": np.empty((len(stimulus), *population.shape), kind)
        for population in network.biased
        for part, kind in kinds.items()
    }
    for rows in stimulus.batches(host.batch_size(network)):
        for name, found in host.written(network, stimulus.values[rows]).items():
            for part in kinds:
                arrays[f"{name}.{part}"][rows] = getattr(found, part)
    write_arrays(path, arrays, compressed=True)


def _announce(network: Network, stimulus: Stimulus, executor: str, settings: SimulationSettings) -> None:
    """Say how long a long run in this process will take."""
    here = settings.cluster is None and not settings.resume
    if here and executor == "fast" and isinstance(network, IntegerNetwork):
        expected = simulation.estimate(network, stimulus, count=settings.count)
        if expected.seconds > QUIET_SECONDS:
            announce(expected.sentence(len(stimulus)))


def _named(network: Network, operations: Array) -> dict[str, int]:
    pairs = zip(network.projections, operations, strict=True)
    return {network.label(projection): int(count) for projection, count in pairs}  # type: ignore[arg-type]
