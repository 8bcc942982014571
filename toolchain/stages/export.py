"""Integers in the formats of other tools, and the held-out images for the other verbs."""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from spikeport.export import archive
from spikeport.export.errors import SpikeportError
from spikeport.export.files import write_arrays
from spikeport.export.formats import writer
from spikeport.export.network import IntegerNetwork
from spikeport.toolchain.stages.run import Run
from spikeport.toolchain.stages.stage import Artefacts, Result, Stage, needs

FILES = {"nir": "network.nir", "nir-portable": "network_portable.nir", "onnx": "network.onnx", "netx": "network.net"}
"""Names of files by format; another format gives its own name."""


class Export(Stage, frozen=True, kw_only=True, tag="export"):
    """Writes the integers in every one of ``formats``, and the held-out images as ``held_out.npz``."""

    TAKES: ClassVar = ("network",)
    USES: ClassVar = ("data", "evaluate.images")

    formats: tuple[str, ...] = ("nir", "onnx")

    def outline(self, available: Mapping[str, str]) -> dict[str, str]:
        needs(available, "network", "a stage 'quantize'")
        return {**dict.fromkeys(self.formats, "file"), "held_out": "images"}

    def faults(self) -> Iterator[tuple[str, str]]:
        for index, name in enumerate(self.formats):
            try:
                writer(name, IntegerNetwork)
            except SpikeportError as error:
                yield f"formats[{index}]", str(error)

    def run(self, run: Run, source: Artefacts) -> Result:
        network = archive.read_integer(source["network"])
        made = {name: run.folder / FILES.get(name, name) for name in self.formats}
        for name, path in made.items():
            writer(name, IntegerNetwork)(network, path)
        images, labels = run.held_out()
        held_out = run.folder / "held_out.npz"
        write_arrays(held_out, {"images": images, "labels": labels}, compressed=True)
        sizes = {path.name: path.stat().st_size for path in made.values() if path.is_file()}
        return Result(artefacts={**made, "held_out": held_out}, metrics={"bytes": sizes})
