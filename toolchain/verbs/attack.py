"""Robust accuracy of a network, of its integers, or of both, under a suite of attacks."""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from spikeport.export.errors import AttackError, OutputError
from spikeport.export.files import check_place, locked, write_arrays, write_text
from spikeport.export.network import Array, Network
from spikeport.export.numbers import SEEDS, whole
from spikeport.toolchain.verbs.attack_settings import AttackSettings
from spikeport.toolchain.verbs.sources import AnyInput, AnyPath, names_file, need_torch

if TYPE_CHECKING:
    from torch import Tensor, nn

    from spikeport.toolchain.robustness.assessed import Assessment, AtEpsilon
    from spikeport.toolchain.robustness.assessment import Found
    from spikeport.toolchain.robustness.subject import Subject

RESULT, PARTS = "attack.json", "parts"
"""Files of the folder; the parts go once the result is written."""


@names_file
def attack(
    network: "nn.Module | Network | AnyPath",
    images: AnyInput,
    *,
    epsilons: Sequence[float] = (2, 4, 8),
    float_model: "nn.Module | AnyPath | None" = None,
    labels: Array | None = None,
    settings: AttackSettings | None = None,
    out: AnyPath | None = None,
) -> "Assessment":
    """Return the robust accuracy of ``network`` on ``images`` within every one of ``epsilons``, in levels of 1/255.

    ``network``: an ANN or SNN of `spikeport.toolchain.nn` or a file of one (checkpoint .safetensors, .pt2, .onnx),
    which is attacked with gradients and without; or a network of an archive, or such a file: integers, or float. That
    has no gradients: ``float_model``, the network that it was made of, is attacked in its place, its attacked images
    are rounded to the levels of the archive's input inside of the ball and given to the archive's network, which is
    attacked by its own scores, too. The minimum over all of them per image is the robust accuracy after deployment.
    ``labels`` (N,): those of the images' file, if None. ``settings``: the suite of attacks, queries, seed, processes.
    ``out``: a folder for attack.json, the worst image of each image at every epsilon, and parts that are done, from
    which the same call goes on after an interruption. An obfuscation.json there, or beside a network's file, is read:
    the result says which of its checks fail. Needs the extra [train]. Raises `AttackError` where epsilons,
    labels or images cannot be attacked or a gradient is missing, before anything runs.
    """
    need_torch("attacking")
    from spikeport.toolchain.robustness.assessment import Way, assess
    from spikeport.toolchain.robustness.cluster import executor_of
    from spikeport.toolchain.robustness.groups import with_queries
    from spikeport.toolchain.robustness.suites import suite_of
    from spikeport.toolchain.verbs.attacked import opened
    from spikeport.toolchain.verbs.examined import advice, read_beside, with_examined

    chosen = settings or AttackSettings()
    whole(chosen.seed, "seed", SEEDS)
    if 0 in epsilons:
        raise AttackError(
            "epsilon is 0, which changes no pixel: every attack gives the accuracy without an attack; 8 is 8/255"
        )
    suite = suite_of(chosen.suite)
    members = with_queries(suite.members, chosen.queries)
    subject, pixels, truth = opened(network, images, float_model, labels, chosen)
    folder = None if out is None else Path(out)
    examined = read_beside(folder, network, float_model)
    with ExitStack() as held:
        if folder is not None:
            held.enter_context(_claimed(folder, resume=chosen.resume))
        elif chosen.resume:
            raise OutputError("to resume needs the folder (out) in which an attack was interrupted")
        way = Way(
            seed=chosen.seed,
            batch_size=chosen.batch_size,
            folder=None if folder is None else folder / PARTS,
            executor=held.enter_context(executor_of(chosen.cluster)),
            every_member=chosen.every_member,
        )
        done = assess(
            subject, members, pixels, truth,
            suite=f"{suite.name} ({suite.title})", epsilons=tuple(epsilons), way=way,
            kept=lambda at, found: _keep(folder, at, found, truth, subject),
        )  # fmt: skip
        attacked = network if float_model is None else float_model
        done = with_examined(done, examined, advice(attacked, images, folder, chosen))
        if folder is not None:
            write_text(folder / RESULT, json.dumps(done.to_dict(), indent=1, allow_nan=False) + "\n")
            shutil.rmtree(folder / PARTS)
            _drop_earlier(folder, epsilons)
    return done


@contextmanager
def _claimed(folder: Path, *, resume: bool) -> Iterator[None]:
    """Hold a folder while the block runs; `OutputError` where there is nothing to resume, or no place for files."""
    if resume and not (folder / PARTS).is_dir():
        finished = (folder / RESULT).is_file()
        found = f"its attack is finished: {folder / RESULT}" if finished else "it holds no parts of an attack"
        raise OutputError(f"{folder}: nothing to resume, {found}")
    check_place(folder / RESULT)
    with locked(folder):
        yield


def _keep(folder: Path | None, at: "AtEpsilon", found: "Sequence[Found]", labels: "Tensor", subject: "Subject") -> None:
    """Write the worst image of each image, of the deployed network where there is one, as levels of its input."""
    if folder is None:
        return
    from spikeport.toolchain.robustness.worst_images import worst_images

    images, robust = worst_images(found, subject)
    arrays = {"images": images, "labels": labels.numpy(), "robust": robust}
    write_arrays(folder / worst_of(at.epsilon), arrays, compressed=True)


def worst_of(epsilon: float) -> str:
    """Return the name of the file with the worst image of each image."""
    return f"worst-{epsilon:g}.npz"


def _drop_earlier(folder: Path, epsilons: "Sequence[float]") -> None:
    """Remove the images of an earlier attack in the same folder, which the result does not name."""
    kept = {worst_of(epsilon) for epsilon in epsilons}
    for path in folder.glob("worst-*.npz"):
        if path.name not in kept:
            path.unlink()
