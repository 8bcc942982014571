"""Decides which synapses stay: the model that comes in gets masks; its weights are finetuned by the next stage."""

import copy
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from msgspec import Meta

from spikeport.export.errors import RecipeError
from spikeport.export.progress import announce
from spikeport.toolchain import checkpoint
from spikeport.toolchain.choices import tag_of
from spikeport.toolchain.objectives.objective import Objective
from spikeport.toolchain.pruning.masks import layer_rates, rates_text, set_masks
from spikeport.toolchain.pruning.pruner import Learn, Pruner
from spikeport.toolchain.stages.stage import Artefacts, Result, Stage
from spikeport.toolchain.stages.train import Network, check_objective, summary
from spikeport.toolchain.training.settings import Training
from spikeport.toolchain.training.trainer import fit


class Prune(Stage, frozen=True, kw_only=True, tag="prune"):
    """Set a share ``sparsity`` of the weights to zero, by ``pruner``.

    Pruners that learn train on ``objective`` by ``training``, on a copy: of the model only the masks change. Others
    need neither.
    """

    TAKES: ClassVar = ("model",)

    sparsity: Annotated[float, Meta(ge=0, lt=1)]
    pruner: Pruner
    training: Training | None = None
    objective: Objective | None = None

    def outline(self, available: Mapping[str, str]) -> dict[str, str]:
        if "model" not in available:
            raise RecipeError("needs a model, which no stage before it makes; put a stage 'train' before it")
        if self.objective is not None:
            check_objective(self.objective, available["model"])
        return {"model": available["model"], "adversarial": "images"}

    def faults(self) -> Iterator[tuple[str, str]]:
        for key, value in (("training", self.training), ("objective", self.objective)):
            if self.pruner.learns and value is None:
                yield key, f"is missing; pruner {tag_of(self.pruner)!r} learns, and needs it"

    def run(self, run: Any, source: Artefacts) -> Result:
        model = checkpoint.read(source["model"])
        metrics: dict[str, Any] = {}
        learn = self._learning(run, scratch := copy.deepcopy(model), metrics)
        set_masks(model, self.pruner.masks(scratch, self.sparsity, learn, generator=run.generator))
        path = run.folder / "model.safetensors"
        checkpoint.write(model, path)
        rates = layer_rates(model)
        announce(f"{self.name}: {rates_text(rates)}")
        metrics = {**run.evaluated(model, keep=True), "layers": rates, **metrics}
        return Result(artefacts={"model": path, "adversarial": run.folder / "adversarial.npz"}, metrics=metrics)

    def _learning(self, run: Any, model: Network, metrics: dict[str, Any]) -> Learn:
        """Return what trains a pruner's parameters, and adds what it found to ``metrics``."""

        def learn(parameters: Any, *, penalty: Any = None, accept: Any = None) -> Mapping[str, Any]:
            if self.training is None or self.objective is None:
                raise RecipeError(f"pruner {tag_of(self.pruner)!r} learns; expected 'training' and 'objective'")
            fitted = fit(
                model, run.data, self.objective, self.training, folder=run.folder, seed=run.seed, device=run.device,
                parameters=parameters, penalty=penalty, accept=accept, title=self.name,
            )  # fmt: skip
            metrics["training"] = found = summary(fitted)
            return found

        return learn
