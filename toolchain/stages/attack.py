"""Robust accuracy of the latest model and of the integers: under one attack, or under a suite after deployment."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

import torch
from msgspec import Meta
from torch import Tensor

from spikeport.export import archive
from spikeport.export.errors import SpikeportError
from spikeport.export.executors import fast
from spikeport.export.files import write_arrays
from spikeport.export.network import IntegerNetwork
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import predicted
from spikeport.toolchain import checkpoint
from spikeport.toolchain.analysis.obfuscation import obfuscation
from spikeport.toolchain.analysis.settings import Checks
from spikeport.toolchain.analysis.writing import write
from spikeport.toolchain.attacks.attack import Attack as AnyAttack
from spikeport.toolchain.attacks.ensemble import Member
from spikeport.toolchain.data.dataset import pixels
from spikeport.toolchain.nn.architectures.architecture import Count
from spikeport.toolchain.nn.backbone import Backbone
from spikeport.toolchain.robustness.suites import suite_of
from spikeport.toolchain.stages.frames import check_epsilon
from spikeport.toolchain.stages.recipe import Levels
from spikeport.toolchain.stages.run import Metrics, Run, attack_name, through_chance
from spikeport.toolchain.stages.stage import Artefacts, Result, Stage, needs
from spikeport.toolchain.stages.under_suite import under_suite

Several = Annotated[tuple[Levels, ...], Meta(min_length=1, max_length=100)]
Text = Annotated[str, Meta(min_length=1, max_length=1000)]


class Attack(Stage, frozen=True, kw_only=True, tag="attack"):
    """Attacks the model on held-out images (``images`` of them, all without), and measures the integers as well.

    With ``attack``, the integers get the images that were made on the model. With ``suite``, the name of one or a .toml
    file, it is the worst case over its members, on the integers over all transferred images and attacks on their own
    scores; ``queries`` in place of the suite's. ``epsilon``: a number or a list, in pixel levels. ``obfuscation``:
    examine, too, whether the gradients that the attacks follow are masked; {} takes the defaults.
    """

    TAKES: ClassVar = ("model", "network")
    USES: ClassVar = ("data", "threads", "seed")

    attack: AnyAttack | None = None
    suite: Text | None = None
    queries: Count | None = None
    epsilon: Levels | Several = 8
    images: Count | None = None
    obfuscation: Checks | None = None

    @property
    def epsilons(self) -> tuple[float, ...]:
        """The epsilons, one or more."""
        return self.epsilon if isinstance(self.epsilon, tuple) else (self.epsilon,)

    def attacks(self) -> list[AnyAttack]:
        """Return all that is run."""
        if self.attack is not None:
            return [self.attack]
        return [] if self.suite is None else [member.attack for member in suite_of(self.suite).members]

    def outline(self, available: Mapping[str, str]) -> dict[str, str]:
        needs(available, "model", "a stage 'train'")
        return {"attacked": "images"}

    def file(self) -> Path | None:
        return None if self.suite is None or not self.suite.endswith(".toml") else Path(self.suite)

    def faults(self) -> Iterator[tuple[str, str]]:
        if (self.attack is None) == (self.suite is None):
            yield "attack", "expected either 'attack', one attack, or 'suite', the name of several"
        if self.attack is not None and self.queries is not None:
            yield "queries", "is for a suite; write them into the attack"
        if len(set(self.epsilons)) < len(self.epsilons):
            yield "epsilon", "holds a number twice"
        try:
            self.attacks()
        except SpikeportError as error:
            yield "suite", str(error)
            return
        if self.obfuscation is not None and not any(attack.NEEDS_GRADIENT for attack in self.attacks()):
            yield "obfuscation", "examines gradients, and no attack follows one; leave it out"
        if self.obfuscation is not None and min(self.epsilons) == 0:
            yield "obfuscation", "examines attacks within an epsilon above 0; leave it, or that epsilon, out"

    def look_ahead(self, images: Any, recipe: Any, available: Mapping[str, str]) -> None:
        del recipe, available
        for epsilon in self.epsilons:
            check_epsilon(images, epsilon, f"epsilon of {self.name!r}")

    def run(self, run: Run, source: Artefacts) -> Result:
        model = checkpoint.read(source["model"])
        labels = run.data.test.labels[: self.images]
        truth, images = torch.from_numpy(labels.copy()), pixels(run.data.test.images[: self.images])
        network = archive.read_integer(source["network"]) if "network" in source else None
        places = {epsilon: self._place(run, epsilon) for epsilon in self.epsilons}
        if self.suite is None:
            found = [self._alone(run, model, network, images, truth, epsilon, places) for epsilon in self.epsilons]
        else:
            found = under_suite(run, self, model, network, images, truth, places)
        if self.obfuscation is not None:
            found = [each | self._examined(run, model, images, truth, each) for each in found]
        metrics = {"images": len(labels), "epsilons": found}
        return Result(artefacts={"attacked": places[max(places)]}, metrics=metrics)

    def _place(self, run: Run, epsilon: float) -> Path:
        return run.folder / ("attacked.npz" if len(self.epsilons) == 1 else f"attacked-{epsilon:g}.npz")

    def _examined(self, run: Run, model: Backbone, images: Tensor, labels: Tensor, found: Metrics) -> Metrics:
        """Return what is known of the gradients behind the figures of one epsilon, and keep it in a folder."""
        epsilon = found["epsilon"]
        alone = [Member(name="attack", attack=attack) for attack in self.attacks()]
        examined = obfuscation(
            model.to(run.device),
            images,
            labels,
            members=alone if self.suite is None else suite_of(self.suite).members,
            title=found["attack"],
            epsilon=epsilon,
            checks=self.obfuscation,
            seed=run.seed,
            levels=run.data.levels,
        )
        write(examined, run.folder / (f"obfuscation-{epsilon:g}" if len(self.epsilons) > 1 else "obfuscation"))
        warnings = [*found.get("warnings", ()), *examined.doubts]
        return {"gradients": examined.summary(), "warnings": warnings}

    def _alone(
        self,
        run: Run,
        model: Backbone,
        network: IntegerNetwork | None,
        images: Tensor,
        labels: Tensor,
        epsilon: float,
        places: Mapping[float, Path],
    ) -> Metrics:
        """Attack the model, and give the integers the same images."""
        assert self.attack is not None
        moved, robust = run.attacked(model, images, labels, self.attack, epsilon, run.seed)
        truth = labels.numpy()
        write_arrays(places[epsilon], {"images": moved, "labels": truth}, compressed=True)
        integer = None
        if network is not None:
            integer = float((predicted(network, stimulus(moved, network), fast.steps) == truth).mean())
        found = {"attack": attack_name(self.attack), "epsilon": epsilon, "network": robust, "integer": integer}
        warnings = through_chance(self.attack, model)
        return {**found, "warnings": warnings} if warnings else found
