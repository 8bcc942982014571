"""What a stage of attack does with a suite: an assessment, kept in the stage's folder."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from spikeport.export import archive
from spikeport.export.files import write_arrays, write_text
from spikeport.export.network import IntegerNetwork
from spikeport.toolchain.nn.backbone import Backbone
from spikeport.toolchain.robustness.assessed import DEPLOYED, TRAINED, Assessment, AtEpsilon
from spikeport.toolchain.robustness.assessment import Found, Way, assess
from spikeport.toolchain.robustness.deployed import Deployed
from spikeport.toolchain.robustness.groups import with_queries
from spikeport.toolchain.robustness.kept import of_model
from spikeport.toolchain.robustness.subject import Subject
from spikeport.toolchain.robustness.suites import suite_of
from spikeport.toolchain.robustness.worst_images import worst_images
from spikeport.toolchain.stages.run import Metrics, Run

RESULT, PARTS = "attack.json", "parts"


def under_suite(
    run: Run,
    stage: Any,
    model: Backbone,
    network: IntegerNetwork | None,
    images: Tensor,
    labels: Tensor,
    places: Mapping[float, Path],
) -> list[Metrics]:
    """Return what the report says of every epsilon; attack.json has all of it, ``places`` get the worst images."""
    suite = suite_of(stage.suite)
    subject = _subject(run, model, network)

    def kept(at: AtEpsilon, found: Sequence[Found]) -> None:
        worst, robust = worst_images(found, subject)
        arrays = {"images": worst, "labels": labels.numpy(), "robust": robust}
        write_arrays(places[at.epsilon], arrays, compressed=True)

    done = assess(
        subject, with_queries(suite.members, stage.queries), images, labels,
        suite=suite.name, epsilons=stage.epsilons, way=Way(seed=run.seed, folder=run.folder / PARTS), kept=kept,
    )  # fmt: skip
    write_text(run.folder / RESULT, json.dumps(done.to_dict(), indent=1, allow_nan=False) + "\n")
    shutil.rmtree(run.folder / PARTS)
    return [_metrics(done, at) for at in done.epsilons]


def _subject(run: Run, model: Backbone, network: IntegerNetwork | None) -> Subject:
    networks = {TRAINED: {"what": type(model).__name__, "digest": of_model(model)}}
    if network is not None:
        networks[DEPLOYED] = {"what": f"integer network, T = {network.steps}", "digest": archive.digest(network)}
    return Subject(
        model=model.to(run.device).eval(),
        deployed=None if network is None else Deployed(network),
        networks=networks,
        levels=run.data.levels,
    )


def _metrics(done: Assessment, at: AtEpsilon) -> Metrics:
    network, integer = at.worst_float, at.deployed
    return {
        "attack": f"worst case of suite {done.suite}",
        "epsilon": at.epsilon,
        "network": None if network is None else network.share,
        "network_error": None if network is None else network.error,
        "integer": None if integer is None else integer.share,
        "integer_error": None if integer is None else integer.error,
        "ran": at.ran(),
        "warnings": [*done.doubts, *at.warnings],
    }
