"""A trained network of one's own as the network of a recipe."""

from pathlib import Path

import numpy as np
from torch import Tensor

from spikeport.export.errors import RecipeError, SpikeportError
from spikeport.toolchain.importing.imported import ImportedNetwork
from spikeport.toolchain.importing.models import read_model
from spikeport.toolchain.nn.architectures.architecture import Architecture, Images
from spikeport.toolchain.nn.specification import READOUT, Node, Specification


class File(Architecture, frozen=True, kw_only=True, tag="file"):
    """The ReLU network of a .pt2, .onnx or .safetensors file (a checkpoint), with its weights.

    ``path`` starts at the current folder. The network was trained on ``(pixels - mean) / std`` with pixels in [0, 1]:
    one number, or one a channel; 0 and 1 without. A checkpoint holds its own. A train stage starts from its weights.
    """

    path: str
    mean: float | tuple[float, ...] | None = None
    std: float | tuple[float, ...] | None = None

    def nodes(self, images: Images) -> list[Node]:
        return list(self.specification(images).nodes)

    def specification(self, images: Images) -> Specification:
        """Return the file's specification; `RecipeError` where it takes other images or has other classes."""
        specification = self._read().specification
        shape, classes = specification.input_shape, int(np.prod(specification.shapes()[READOUT]))
        if (shape, classes) != (images.shape, images.classes):
            raise RecipeError(
                f"network.path: {self.path} takes images {shape} and has {classes} classes; the data has images "
                f"{images.shape} of {images.classes} classes"
            )
        return specification

    def weights(self) -> dict[str, Tensor] | None:
        return dict(self._read().model.state_dict())

    def file(self) -> Path | None:
        return Path(self.path)

    def _read(self) -> ImportedNetwork:
        try:
            return read_model(Path(self.path), mean=self.mean, std=self.std)
        except SpikeportError as error:
            raise RecipeError(f"network.path: {error}") from None
