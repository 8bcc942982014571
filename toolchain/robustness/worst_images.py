"""The worst image of each image over all attacks on a network, as its input takes it."""

from collections.abc import Sequence

import numpy as np

from spikeport.export.network import Array
from spikeport.toolchain.robustness.assessed import DEPLOYED, TRAINED
from spikeport.toolchain.robustness.assessment import Found
from spikeport.toolchain.robustness.subject import Subject


def worst_images(found: Sequence[Found], subject: Subject) -> tuple[Array, Array]:
    """Return images (N, ...) and which of them are robust (N,), of the deployed network where there is one.

    An image is the first that broke the network, in the order of the rows, else the one with the largest margin of
    another class over the label. Whole levels where the input has levels, in the smallest type that holds them.
    """
    role = TRAINED if subject.deployed is None else DEPLOYED
    cases = [each.case for each in found if each.row.network == role]
    worst, margin, standing = cases[0].worst.clone(), cases[0].margin.clone(), cases[0].standing.clone()
    for case in cases[1:]:
        better = standing & (~case.standing | (case.margin > margin))
        worst[better], margin[better] = case.worst[better], case.margin[better]
        standing &= case.standing
    images = worst.numpy()
    if subject.levels is not None:
        images = np.rint(images.astype(np.float64) * subject.levels).astype(np.min_scalar_type(subject.levels))
    return images, standing.numpy()
