"""How near the potentials of a spiking network are to their thresholds, and which changes flip its spikes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spikeport.export.errors import ArchiveError, NetworkError
from spikeport.export.files import check_place
from spikeport.export.network import Array, IntegerNetwork
from spikeport.export.numbers import SEEDS, whole
from spikeport.toolchain.verbs.sources import AnyInput, AnyPath, integer_network, names_file, need_torch

if TYPE_CHECKING:
    from torch import nn

    from spikeport.toolchain.analysis.thresholds.comparison import Comparison
    from spikeport.toolchain.analysis.thresholds.result import Thresholds
    from spikeport.toolchain.nn.snn import SNN


@dataclass(frozen=True, kw_only=True)
class ThresholdSettings:
    """What is measured.

    ``networks``: archives in integers that were made of the network, or such networks; by name, or else named by their
    paths: `compare_thresholds` puts those of one name side by side. ``bits``: of weights, 2 to 8, to
    which the network is quantized beside them; none: it is not. ``deltas``: distances to the threshold, in units of it.
    ``epsilons``: of perturbations, in pixel levels: 8 is 8/255. ``steps``: of PGD. ``suite``: paper, quick, rsc or the
    path of a .toml file, whose worst case is the robust accuracy; none: PGD alone, an upper bound. ``images``: so many
    of the first. ``seed``: of all random numbers. ``device``: auto, cpu, cuda or mps.
    """

    networks: Sequence[IntegerNetwork | AnyPath] | Mapping[str, IntegerNetwork | AnyPath] = ()
    bits: Sequence[int] = (8, 6, 4, 3)
    deltas: Sequence[float] = (0.05, 0.1, 0.2)
    epsilons: Sequence[float] = (2, 4, 8)
    steps: int = 10
    suite: str | None = None
    images: int | None = None
    seed: int = 0
    device: str = "auto"


@names_file
def analyze_thresholds(
    model: "nn.Module | AnyPath",
    images: AnyInput,
    *,
    labels: Array | None = None,
    settings: ThresholdSettings | None = None,
    out: AnyPath | None = None,
) -> "Thresholds":
    """Measure potentials near thresholds, flips of spikes under perturbations and rounding, and certificates.

    ``model``: an SNN of `spikeport.toolchain.nn`, or its checkpoint. ``images``: pixels (N, C, H, W), or a file of
    them. ``labels`` (N,): those of the images' file, if None. ``settings``: what is measured. ``out``: a folder that
    gets thresholds.json and thresholds.svg. Needs the extra [train]. Raises `AttackError` where settings, labels or
    images are none that can be perturbed, `NetworkError` where the network has no spiking neurons or an archive is
    another network, before anything runs.
    """
    need_torch("attacking")
    from spikeport.toolchain.analysis.thresholds.measure import thresholds
    from spikeport.toolchain.analysis.thresholds.settings import Measures
    from spikeport.toolchain.analysis.thresholds.writing import JSON, write
    from spikeport.toolchain.attacks.ensemble import Member
    from spikeport.toolchain.attacks.pgd import Pgd
    from spikeport.toolchain.robustness.subject import check
    from spikeport.toolchain.robustness.suites import suite_of
    from spikeport.toolchain.verbs.attack_settings import AttackSettings
    from spikeport.toolchain.verbs.attacked import opened

    chosen = settings or ThresholdSettings()
    whole(chosen.seed, "seed", SEEDS)
    measures = Measures(deltas=chosen.deltas, epsilons=chosen.epsilons, steps=chosen.steps, bits=chosen.bits)
    if out is not None:
        check_place(Path(out) / JSON)
    suite = None if chosen.suite is None else suite_of(chosen.suite)
    members = [Member(name="pgd", attack=Pgd(steps=chosen.steps))] if suite is None else suite.members
    integers = _integers(model, chosen.networks)
    way = AttackSettings(images=chosen.images, device=chosen.device)
    subject, pixels, truth = opened(model, images, None, labels, way)
    network = _spiking(model, subject.model, subject.advice)
    check(subject, members, pixels, truth, chosen.epsilons)
    (told,) = subject.networks.values()
    found = thresholds(
        network, pixels, truth, measures=measures, told=told, integers=integers, suite=suite, seed=chosen.seed,
        levels=subject.levels,
    )  # fmt: skip
    if out is not None:
        write(found, Path(out))
    return found


def compare_thresholds(networks: Mapping[str, Sequence[AnyPath]], *, out: AnyPath | None = None) -> "Comparison":
    """Put what `analyze_thresholds` wrote for several networks side by side.

    ``networks``: folders (or thresholds.json in them) by name, one for each seed that a network was trained with.
    ``out``: a folder that gets comparison.md and comparison.svg. Raises `ArchiveError` where a file is damaged, or
    figures were measured otherwise: other images, steps, epsilons, deltas or bits. Needs the extra [train].
    """
    need_torch("comparing")
    from spikeport.toolchain.analysis.thresholds.comparison import TABLE, Comparison

    if out is not None:
        check_place(Path(out) / TABLE)
    found = Comparison(groups={name: _of_seeds(name, every) for name, every in networks.items()})
    if out is not None:
        found.write(Path(out))
    return found


def _of_seeds(name: str, folders: Sequence[AnyPath]) -> "list[Thresholds]":
    """Return the measurements of a network's seeds; one of them twice would make the error smaller."""
    from spikeport.toolchain.analysis.thresholds.result import read
    from spikeport.toolchain.analysis.thresholds.writing import JSON

    paths = [Path(each) / JSON if Path(each).is_dir() else Path(each) for each in folders]
    found = [read(path) for path in paths]
    held: dict[str, Path] = {}
    for path, each in zip(paths, found, strict=True):
        other = held.setdefault(each.model["digest"], path)
        if other is not path:
            raise ArchiveError(f"{name}: {other} and {path} are of the same network; expected one for each seed")
    return found


def _spiking(given: object, model: "nn.Module | None", advice: str) -> "SNN":
    """Return the model, if it is an SNN."""
    from spikeport.toolchain.nn.snn import SNN

    named = str(given) if isinstance(given, Path | str) else f"the {type(given).__name__}"
    if model is None:
        raise NetworkError(
            f"{named}: a network of an archive, which has no gradients{advice}; give the checkpoint that it was made "
            "of, and this one by --network"
        )
    if not isinstance(model, SNN) or not model.neuron_nodes():
        raise NetworkError(f"{named}: has no spiking neurons; expected an SNN: 'spikeport convert' makes one of an ANN")
    return model


def _integers(
    model: object, given: Sequence[IntegerNetwork | AnyPath] | Mapping[str, IntegerNetwork | AnyPath]
) -> Mapping[str, IntegerNetwork]:
    """Return archives by name, each checked against the records of the run that made it."""
    from spikeport.toolchain.analysis.thresholds.figures import BITS, FLOAT
    from spikeport.toolchain.verbs.origin import check_origin

    found: dict[str, IntegerNetwork] = {}
    paths = [str(each) if isinstance(each, Path | str) else f"network {n}" for n, each in enumerate(given, 1)]
    for name, each in given.items() if isinstance(given, Mapping) else zip(paths, given, strict=True):
        if name in found:
            raise NetworkError(f"{name}: stands twice among the networks; expected each once")
        if name == FLOAT or name.endswith(BITS):
            raise NetworkError(f"{name}: a name that rounding of the network itself takes; expected another")
        found[name] = integer_network(each)
        if isinstance(each, Path | str) and isinstance(model, Path | str):
            check_origin(Path(each), Path(model))
    return found
