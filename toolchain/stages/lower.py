"""SNN to a float network of `spikeport.export`, with its spikes compared."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch

from spikeport.export import archive
from spikeport.export.executors import floating
from spikeport.export.passes import folded
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record
from spikeport.toolchain import checkpoint
from spikeport.toolchain.data.dataset import PIXEL_LEVELS
from spikeport.toolchain.lowering import lower
from spikeport.toolchain.nn.draws import numbered
from spikeport.toolchain.stages.run import Run
from spikeport.toolchain.stages.stage import Artefacts, Result, Stage, needs


class Lower(Stage, frozen=True, kw_only=True, tag="lower"):
    """Folds the SNN into a float network and compares its spikes with PyTorch's, both in float64.

    The network keeps the SNN's encoder and its seed: whatever runs it takes pixels and codes them itself.
    """

    TAKES: ClassVar = ("model",)
    USES: ClassVar = ("data", "evaluate.images")

    def outline(self, available: Mapping[str, str]) -> dict[str, str]:
        needs(available, "model", "a stage 'convert', or 'train' with model = 'snn',", value="snn")
        return {"float_network": "float"}

    def run(self, run: Run, source: Artefacts) -> Result:
        snn = checkpoint.read_snn(source["model"]).double().eval()
        network = folded(lower(snn, levels=run.data.levels))
        path = run.folder / "network_float.safetensors"
        archive.write(network, path)
        images, _ = run.held_out()
        exact = images / np.float64(PIXEL_LEVELS) if images.dtype == np.uint8 else images.astype(np.float64)
        with torch.no_grad(), numbered(snn, range(len(images))):
            expected = snn.spikes(torch.from_numpy(exact))
        ours = record(floating.steps(network, stimulus(images, network)))
        pairs = [(spikes.numpy().swapaxes(0, 1).astype(bool), ours[n]) for n, spikes in expected.items()]
        different = [int((a.reshape(b.shape) != b).sum()) for a, b in pairs]
        metrics = {"compared": sum(b.size for _, b in pairs), "mismatches": sum(different)}
        return Result(artefacts={"float_network": path}, metrics=metrics)
