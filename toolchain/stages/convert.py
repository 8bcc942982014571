"""ANN to SNN by Algorithm 1."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from msgspec import Meta

from spikeport.toolchain import checkpoint
from spikeport.toolchain.conversion.threshold_balancing import convert
from spikeport.toolchain.nn.architectures.architecture import Count
from spikeport.toolchain.stages.frames import check_model
from spikeport.toolchain.stages.run import Run
from spikeport.toolchain.stages.stage import Artefacts, Result, Stage, needs


class Convert(Stage, frozen=True, kw_only=True, tag="convert"):
    """Thresholds from the ``percentile`` of the currents over ``steps`` steps of so many batches, times lambda.

    Source: Schmolli et al., CPAL 2025, Algorithm 1 and section 4.1 (rho, T_c, lambda). Batches are of training images.
    ``statistics`` of batch norm: those of the spiking network, or the ANN's, for a network that is not finetuned.
    """

    TAKES: ClassVar = ("model",)
    USES: ClassVar = ("data", "spiking", "evaluate", "threads", "seed")

    batches: Count = 10
    batch_size: Count = 64
    steps: Count = 100
    percentile: Annotated[float, Meta(gt=0, le=100)] = 99.7
    threshold_scale: Annotated[float, Meta(gt=0, le=1)] = 0.3
    statistics: Literal["spiking", "ann"] = "spiking"

    def outline(self, available: Mapping[str, str]) -> dict[str, str]:
        needs(available, "model", "a stage 'train' with an ANN", value="ann")
        return {"model": "snn", "adversarial": "images"}

    def look_ahead(self, images: Any, recipe: Any, available: Mapping[str, str]) -> None:
        del available
        check_model(images, recipe, "snn")

    def run(self, run: Run, source: Artefacts) -> Result:
        images = run.data.train.tensors()[0]
        order = torch.randperm(len(images), generator=run.generator)[: self.batches * self.batch_size]
        snn = convert(
            checkpoint.read_ann(source["model"]),
            torch.split(images[order], self.batch_size),
            steps=run.recipe.spiking.steps,
            calibration_steps=self.steps,
            percentile=self.percentile,
            threshold_scale=self.threshold_scale,
            spiking=run.recipe.spiking,
            statistics=self.statistics,
        )
        model, adversarial = run.folder / "model.safetensors", run.folder / "adversarial.npz"
        checkpoint.write(snn, model)
        thresholds = [neurons.threshold.item() for neurons in snn.neuron_list()]
        measured = run.evaluated(snn, keep=True)
        return Result(
            artefacts={"model": model, "adversarial": adversarial}, metrics={**measured, "thresholds": thresholds}
        )
