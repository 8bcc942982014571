"""What every dataset gives: 8-bit images with labels, already split."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

PIXEL_LEVELS = 255


@dataclass(frozen=True, kw_only=True)
class Split:
    """Images uint8 (N, C, H, W) and labels int64 (N,)."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]

    def tensors(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return pixels in [0, 1] as float32 (N, C, H, W), and labels (N,)."""
        return pixels(self.images), torch.from_numpy(self.labels.copy())


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A training and a held-out split; ``mean`` and ``std`` per channel are of the training pixels in [0, 1]."""

    name: str
    classes: int
    train: Split
    test: Split
    mean: tuple[float, ...]
    std: tuple[float, ...]


def pixels(images: npt.NDArray[np.uint8]) -> torch.Tensor:
    """Map 8-bit levels to pixels in [0, 1]."""
    return torch.from_numpy(images.astype(np.float32) / PIXEL_LEVELS)


def levels(images: torch.Tensor) -> npt.NDArray[np.uint8]:
    """Map pixels in [0, 1] to the nearest 8-bit levels."""
    rounded = np.rint(images.detach().cpu().numpy() * PIXEL_LEVELS)
    return np.asarray(np.clip(rounded, 0, PIXEL_LEVELS), np.uint8)


def channel_statistics(images: npt.NDArray[np.uint8]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation per channel of the pixels in [0, 1]."""
    scaled = images.astype(np.float64) / PIXEL_LEVELS
    mean, std = scaled.mean(axis=(0, 2, 3)), scaled.std(axis=(0, 2, 3))
    return tuple(map(float, mean)), tuple(map(float, std))
