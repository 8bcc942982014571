"""Is an evaluation of robustness sound: checks for masked gradients of a trained network on labelled images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spikeport.export.errors import AttackError, StimulusError, one_line
from spikeport.export.files import check_place
from spikeport.export.network import Array
from spikeport.export.numbers import SEEDS, whole
from spikeport.toolchain.verbs.sources import AnyInput, AnyPath, names_file, need_torch

if TYPE_CHECKING:
    from torch import Tensor, nn

    from spikeport.toolchain.analysis.result import Obfuscation
    from spikeport.toolchain.analysis.settings import Checks
    from spikeport.toolchain.attacks.ensemble import Member


@dataclass(frozen=True, kw_only=True)
class ObfuscationSettings:
    """What is examined, and what runs beside it.

    ``epsilon`` in pixel levels: 8 is 8/255. ``suite``: paper, quick, rsc or the path of a .toml file, whose attacks by
    gradients are examined together; PGD of ``steps`` by the network's own gradient where None. ``iterations``: steps of
    the sweep; ``epsilons``: pixel levels of the other, which goes to 255 and starts at a quarter of ``epsilon`` where
    None. ``queries`` of the black box and random ``samples``, per image. ``seed``: of all random numbers. ``images``:
    so many of the first. ``device``: auto, cpu, cuda or mps. ``mean`` and ``std``: of the training, for .pt2 and .onnx
    files, whose networks take normalised pixels.
    """

    epsilon: float = 8.0
    suite: str | None = None
    steps: int = 10
    iterations: Sequence[int] = (7, 10, 20, 40, 100)
    epsilons: Sequence[float] | None = None
    queries: int = 500
    samples: int = 200
    seed: int = 0
    images: int | None = None
    device: str = "auto"
    mean: float | Sequence[float] | None = None
    std: float | Sequence[float] | None = None


@names_file
def analyze_obfuscation(
    model: "nn.Module | AnyPath",
    images: AnyInput,
    *,
    labels: Array | None = None,
    settings: ObfuscationSettings | None = None,
    out: AnyPath | None = None,
) -> "Obfuscation":
    """Look for masked gradients: five checks, and robust accuracy by iterations and by epsilon.

    ``model``: an ANN or SNN of `spikeport.toolchain.nn` or a file of one (checkpoint .safetensors, .pt2, .onnx), or any
    `torch.nn.Module` from pixels in [0, 1] to logits. ``images``: pixels (N, C, H, W), or a file of them. ``labels``
    (N,): those of the images' file, if None. ``settings``: what is examined, and with what. ``out``: a folder that gets
    obfuscation.json and obfuscation.svg. Needs the extra [train]. Raises `AttackError` where settings, labels or images
    cannot be attacked or the network has no gradients, before anything runs.
    """
    need_torch("attacking")
    from spikeport.toolchain.analysis.obfuscation import obfuscation
    from spikeport.toolchain.analysis.writing import JSON, write

    chosen = settings or ObfuscationSettings()
    whole(chosen.seed, "seed", SEEDS)
    checks, (members, title) = _checks(chosen), _members(chosen)
    if out is not None:
        check_place(Path(out) / JSON)
    network, pixels, truth, levels = _opened(model, images, labels, chosen)
    found = obfuscation(
        network, pixels, truth, members=members, title=title, epsilon=chosen.epsilon, checks=checks, seed=chosen.seed,
        levels=levels,
    )  # fmt: skip
    if out is not None:
        write(found, Path(out))
    return found


def _checks(settings: ObfuscationSettings) -> "Checks":
    """Return what runs beside the attack; `AttackError` names a value that it cannot be."""
    from spikeport.toolchain.analysis.settings import Checks

    table = {
        "iterations": list(settings.iterations),
        "epsilons": None if settings.epsilons is None else list(settings.epsilons),
        "queries": settings.queries,
        "samples": settings.samples,
    }
    made: Checks = _struct(table, Checks)
    return made


def _members(settings: ObfuscationSettings) -> "tuple[Sequence[Member], str]":
    """Return the attacks that are examined, and their name together."""
    from spikeport.toolchain.attacks.ensemble import Member
    from spikeport.toolchain.attacks.pgd import Pgd
    from spikeport.toolchain.stages.run import attack_name

    if settings.suite is not None:
        from spikeport.toolchain.robustness.suites import suite_of

        suite = suite_of(settings.suite)
        return suite.members, f"suite {suite.name}"
    attack = _struct({"kind": "pgd", "steps": settings.steps}, Pgd)
    return [Member(name="pgd", attack=attack)], attack_name(attack)


def _struct(table: dict[str, Any], kind: Any) -> Any:
    """Return settings as the type that a recipe has for them."""
    import msgspec

    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise AttackError(f"the settings of the checks: {one_line(error)}") from None


def _opened(
    model: "nn.Module | AnyPath", images: AnyInput, labels: Array | None, settings: ObfuscationSettings
) -> "tuple[nn.Module, Tensor, Tensor, int | None]":
    """Return a network on its device, pixels in [0, 1], labels (N,), and the levels that attacked pixels are on."""
    from spikeport.toolchain.nn.backbone import Backbone
    from spikeport.toolchain.verbs.attack_settings import AttackSettings
    from spikeport.toolchain.verbs.attacked import opened

    if not isinstance(model, Backbone | Path | str):
        return model, *_arrays(images, labels, settings), None
    way = AttackSettings(images=settings.images, device=settings.device, mean=settings.mean, std=settings.std)
    subject, pixels, truth = opened(model, images, None, labels, way)
    if subject.model is None:
        raise AttackError(
            f"{model}: a network of an archive has no gradients to examine{subject.advice}; give the checkpoint "
            "(.safetensors), .pt2 or .onnx file that it was made of"
        )
    return subject.model, pixels, truth, subject.levels


def _arrays(images: AnyInput, labels: Array | None, settings: ObfuscationSettings) -> "tuple[Tensor, Tensor]":
    """Return arrays for a module that says nothing of its input: uint8 over 255, other numbers as they are."""
    import torch

    if not isinstance(images, np.ndarray) or labels is None:
        raise StimulusError("a module that is no network of spikeport takes images and labels as arrays")
    found, truth = images[: settings.images], np.asarray(labels)[: settings.images]
    scaled = found.astype(np.float32) / np.float32(255 if found.dtype == np.uint8 else 1)
    return torch.from_numpy(scaled), torch.from_numpy(truth.astype(np.int64))
