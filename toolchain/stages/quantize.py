"""Float network to integers with their proof."""

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar

from msgspec import Meta

from spikeport.export import archive
from spikeport.export.errors import SpikeportError
from spikeport.export.lost_bits import lost_bits
from spikeport.export.progress import announce
from spikeport.export.quantize import quantize
from spikeport.export.scale_search import search
from spikeport.export.stimulus import stimulus
from spikeport.hardware_profiles.chip_formats import target
from spikeport.toolchain.stages.run import Run
from spikeport.toolchain.stages.stage import Artefacts, Result, Stage, needs


class Quantize(Stage, frozen=True, kw_only=True, tag="quantize"):
    """Integer weights; scales from training images (`spikeport.export.scale_search`) or the largest weight.

    ``target``: chips whose formats the integers keep to; Lava's arithmetic without.
    """

    TAKES: ClassVar = ("float_network",)
    USES: ClassVar = ("data",)

    weight_bits: Annotated[int, Meta(ge=2, le=8)] = 8
    calibration_images: Annotated[int, Meta(ge=0, le=10_000_000)] = 0
    target: tuple[str, ...] = ()

    def outline(self, available: Mapping[str, str]) -> dict[str, str]:
        needs(available, "float_network", "a stage 'lower'")
        return {"network": "integer"}

    def faults(self) -> Iterator[tuple[str, str]]:
        for index, name in enumerate(self.target):
            try:
                target((name,))
            except SpikeportError as error:
                yield f"target[{index}]", str(error)

    def run(self, run: Run, source: Artefacts) -> Result:
        network, formats = archive.read_float(source["float_network"]), target(self.target)
        if self.calibration_images:
            images = stimulus(run.data.train.images[: self.calibration_images], network)
            integer, clips = search(network, images, weight_bits=self.weight_bits, target=formats)
        else:
            integer, clips = quantize(network, weight_bits=self.weight_bits, target=formats), {}
        path = run.folder / "network.safetensors"
        archive.write(integer, path)
        lost = lost_bits(network, integer, self.weight_bits)
        for sentence in lost:
            announce(f"{self.name}: warning: {sentence}")
        metrics = {"digest": archive.digest(integer), "clips": clips, "warnings": list(lost)}
        return Result(artefacts={"network": path}, metrics=metrics)
