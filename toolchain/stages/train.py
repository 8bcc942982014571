"""Trains a network: one made from the recipe, or the one that comes in, under its masks."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from msgspec import Meta

from spikeport.export.errors import RecipeError, SpikeportError
from spikeport.export.progress import announce
from spikeport.toolchain import checkpoint
from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.objectives.objective import Objective
from spikeport.toolchain.objectives.plain import Plain
from spikeport.toolchain.pruning.masks import layer_rates, set_masks
from spikeport.toolchain.pruning.random import Random
from spikeport.toolchain.stages.frames import check_epsilon, check_model
from spikeport.toolchain.stages.stage import Artefacts, Result, Stage, needs
from spikeport.toolchain.training.checks import spiking_fault
from spikeport.toolchain.training.settings import Training
from spikeport.toolchain.training.trainer import Fitted, fit

Network = ANN | SNN
KEPT = ("loss", "train", "clean", "robust", "rates")


class Train(Stage, frozen=True, kw_only=True, tag="train"):
    """Minimise ``objective`` by ``training``, and give the model of the best epoch.

    ``model``: make a new 'ann' or 'snn' from the recipe's network, even where one comes in. Without it the model that
    comes in is finetuned under its masks, and an ANN is made where none does. ``connectivity``: a new model is sparse
    from the start, with synapses drawn ("random", ``sparsity`` the same in every layer) or those of the network that
    comes in ("incoming", its masks alone). ``weight_bits``: every forward pass rounds the weights as the quantizer
    will, with the statistics of batch norm as they are.
    """

    TAKES: ClassVar = ("model",)

    training: Training
    objective: Objective = Plain()
    model: Literal["ann", "snn"] | None = None
    connectivity: Literal["dense", "random", "incoming"] = "dense"
    sparsity: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    weight_bits: Annotated[int, Meta(ge=2, le=8)] | None = None

    def outline(self, available: Mapping[str, str]) -> dict[str, str]:
        new = self.model is not None or "model" not in available
        if self.connectivity != "dense" and not new:
            raise RecipeError(
                f'connectivity = "{self.connectivity}" is of a new network, and one comes in; set model = "ann" or '
                '"snn" to make one, or remove connectivity'
            )
        if self.connectivity == "incoming":
            needs(available, "model", "a stage 'prune'")
        model = self.model or available.get("model", "ann")
        check_objective(self.objective, model)
        return {"model": model, "adversarial": "images"}

    def faults(self) -> Iterator[tuple[str, str]]:
        if self.sparsity and self.connectivity != "random":
            yield (
                "sparsity",
                f'has no effect with connectivity = "{self.connectivity}"; set connectivity = "random", or prune',
            )
        if self.connectivity == "random" and not self.sparsity:
            yield "sparsity", 'is 0, which prunes nothing; expected a share of weights with connectivity = "random"'

    def look_ahead(self, images: Any, recipe: Any, available: Mapping[str, str]) -> None:
        """Make the specification, which refuses images that the network's pooling leaves nothing of."""
        if self.model is not None or "model" not in available:
            recipe.network.specification(images)
            check_model(images, recipe, self.model or "ann")
        check_epsilon(images, recipe.evaluate.epsilon, "evaluate.epsilon")

    def run(self, run: Any, source: Artefacts) -> Result:
        new = self.model is not None or "model" not in source
        model = self._new(run, source) if new else checkpoint.read(source["model"])
        if self.weight_bits is not None:
            model.round_weights(self.weight_bits)
        if not new:
            announce(f"{self.name}: finetunes the weights of stage {source['model'].parent.name!r}, under its masks")
        fitted = fit(
            model, run.data, self.objective, self.training, folder=run.folder, seed=run.seed, device=run.device,
            title=self.name,
        )  # fmt: skip
        path = run.folder / "model.safetensors"
        checkpoint.write(model, path)
        metrics = {**run.evaluated(model, keep=True), "training": summary(fitted), "layers": layer_rates(model)}
        return Result(artefacts={"model": path, "adversarial": run.folder / "adversarial.npz"}, metrics=metrics)

    def _origin(self, source: Artefacts, seed: int, *, read: bool) -> str:
        """Return where the weights and masks of a new network come from."""
        weights = "the weights of the network's file" if read else f"random weights of seed {seed}"
        masks = ""
        if self.connectivity == "random":
            masks = f", {self.sparsity:.0%} of its synapses absent at random"
        if self.connectivity == "incoming":
            masks = f", with the masks of stage {source['model'].parent.name!r}"
        return f"trains a new {(self.model or 'ann').upper()} from {weights}{masks}"

    def _new(self, run: Any, source: Artefacts) -> Network:
        """Make the recipe's network from the stage's seed, or from trained weights where its architecture has some."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(run.seed)
            specification = run.specification()
            model = SNN(specification, run.recipe.spiking) if self.model == "snn" else ANN(specification)
        weights = run.recipe.network.weights()
        if weights is not None:
            _take_weights(model, weights)
        announce(f"{self.name}: {self._origin(source, run.seed, read=weights is not None)}")
        if self.connectivity == "random":
            set_masks(model, Random().masks(model, self.sparsity, _nothing_to_learn, generator=run.generator))
        if self.connectivity == "incoming":
            set_masks(model, _masks_of(checkpoint.read(source["model"])))
        return model


def check_objective(objective: Objective, model: str) -> None:
    """Raise `RecipeError` where an objective cannot train an 'ann' or 'snn'."""
    fault = spiking_fault(objective, model)
    if fault is not None:
        raise RecipeError(fault)


def summary(fitted: Fitted) -> dict[str, Any]:
    """Return what a record keeps of a training; the history stands in ``log.csv``."""
    last = fitted.history[fitted.best_epoch - 1] if fitted.best_epoch else {}
    kept: dict[str, Any] = {name: last[name] for name in KEPT if name in last}
    return {"best_epoch": fitted.best_epoch, "epochs": len(fitted.history), "device": fitted.device, **kept}


def _take_weights(model: Network, weights: Mapping[str, torch.Tensor]) -> None:
    """Load an ANN's state; an SNN keeps its own thresholds."""
    try:
        missing, unexpected = model.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise RecipeError(f"network: its trained weights do not fit it ({' '.join(str(error).split())})") from None
    absent = [name for name in missing if not name.startswith("neurons.")]
    if absent or unexpected:
        raise RecipeError(f"network: its trained weights lack {absent}, and have {unexpected} that it does not know")


def _masks_of(model: Network) -> dict[str, torch.Tensor]:
    """Return the masks of a pruned network; `RecipeError` for a dense one."""
    layers = model.synapses()
    if all(synapses.whole() for synapses in layers.values()):
        raise RecipeError(
            "connectivity = \"incoming\": the network that comes in is dense; put a stage 'prune' before it, or name "
            "a pruned network with 'from'"
        )
    return {name: synapses.mask for name, synapses in layers.items()}


def _nothing_to_learn(*_: object, **__: object) -> Mapping[str, Any]:
    raise SpikeportError("random connectivity learns nothing")
