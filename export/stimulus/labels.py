"""Labels of samples: whole numbers, one a sample, each a class of the network."""

import numpy as np

from spikeport.export.errors import StimulusError
from spikeport.export.network import Array


def one_per_sample(labels: Array, count: int) -> Array:
    """Return the labels (N,) of ``count`` samples, which may stand in a column (N, 1); refuse everything else."""
    if labels.shape in {(count, 1), ()} and labels.size == count:
        labels = labels.reshape(count)
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise StimulusError(
            f"'labels' is {labels.dtype} of shape {labels.shape}; expected {count} integers{_way(labels, count)}"
        )
    return labels


def check_classes(labels: Array, classes: int, where: str = "") -> None:
    """Refuse a label that is no class of the network, in a sentence that begins with ``where``.

    Its accuracy would be too low without a word.
    """
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        number = int(np.argmax(wrong))
        from_one = (
            "; labels that count from 1 are one too large" if labels.min() == 1 and labels.max() == classes else ""
        )
        raise StimulusError(
            f"{where}sample {number} has label {labels[number]}; expected labels 0 to {classes - 1}: the network has "
            f"{classes} classes{from_one}"
        )


def _way(labels: Array, count: int) -> str:
    """Return how labels of another form become integers."""
    if labels.ndim == 2 and len(labels) == count and labels.shape[1] > 1:
        return ", one a sample: one-hot rows become numbers by labels.argmax(1)"
    if labels.shape == (count,) and labels.dtype.kind in "fb":
        return ": labels.astype(int) makes them"
    return ""
