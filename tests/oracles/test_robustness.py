"""Robust accuracy of one ANN on 500 digits, at three epsilons, against AutoAttack, torchattacks, foolbox and ART.

PGD and APGD start from the same random numbers as the libraries and compute the same; another processor may round a
gradient that is zero to the other sign, so that pixels agree to 1e-6, all but one in a hundred.
"""

import numpy as np
import pytest
import torch

from tests.oracles.robust_accuracy import Recorded, disagreements

POINTS = 1.0
SAME = ["torchattacks/fgsm", "torchattacks/pgd", "foolbox/fgsm", "foolbox/pgd_plain", "art/fgsm", "art/pgd_plain"]
SAME += ["autoattack/best_ce", "autoattack/best_dlr"]
AUTO = [f"{library}/apgd_{loss}" for library in ("autoattack", "torchattacks") for loss in ("ce", "dlr")]
pytestmark = pytest.mark.oracle


@pytest.fixture(scope="module")
def recorded():
    torch.set_num_threads(1)
    return Recorded()


def test_the_network_is_the_recorded_one(recorded):
    with torch.no_grad():
        right = recorded.model(recorded.images).argmax(1) == recorded.labels
    assert right.all()
    assert len(recorded.right) == 500


@pytest.mark.parametrize("name", SAME)
def test_images_are_those_of_the_library(name, recorded):
    theirs, level = recorded.arrays[f"{name}/images"], recorded.levels[1]
    ours = recorded.attacked(name.split("/")[1], level).images[: len(theirs)].numpy()
    assert (np.abs(ours - theirs) > 1e-6).mean() < 0.01
    assert np.abs(ours - recorded.images[: len(ours)].numpy()).max() == pytest.approx(level / 255, abs=1e-6)


@pytest.mark.parametrize("name", AUTO)
def test_apgd_breaks_the_images_that_the_library_breaks(name, recorded):
    """Which images, of all: a library gives the last success, or the clean image, and ours the best it met."""
    level = recorded.levels[1]
    found = recorded.attacked(name.split("/")[1], level)
    kept = recorded.arrays[f"{name}/{level}/right"][0]
    assert (kept == found.success.numpy()).mean() < 0.01


@pytest.mark.slow
def test_robust_accuracy_is_within_a_point_of_every_library(recorded):
    found = list(disagreements(recorded))
    assert len(found) == 3 * 17
    far = [each for each in found if abs(each[2] - each[3]) > POINTS]
    assert not far
