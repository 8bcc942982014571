"""Accuracy in batches, and attacked images that chips with 8-bit input can be given."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export.errors import AttackError
from spikeport.toolchain.attacks.fgsm import Fgsm
from spikeport.toolchain.attacks.pgd import Pgd
from spikeport.toolchain.data.dataset import LEVEL
from spikeport.toolchain.evaluation import accuracy, attacked, predictions, robustness, rounded_inside
from tests.toolchain.networks import ann, generator, images, labels, snn


@pytest.mark.parametrize("make", [ann, snn])
def test_predictions_are_those_of_the_whole_batch_in_evaluation_mode(make):
    model = make().eval()
    with torch.no_grad():
        expected = model(images(11)).argmax(1)
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert torch.equal(predictions(model, images(11), 4), expected)
    assert accuracy(model, images(11), labels(11), batch_size=4) == float((expected == labels(11)).double().mean())
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("chip", [None, 255])
def test_robust_accuracy_is_that_of_the_attacked_images(chip):
    model = ann()
    found = robustness(
        model, images(11), labels(11), attack=Pgd(steps=2), epsilon=8 * LEVEL, generator=generator(), batch_size=4,
        levels=chip,
    )  # fmt: skip
    assert found.robust == pytest.approx(accuracy(model, found.images, labels(11)))
    assert found.clean == accuracy(model, images(11), labels(11))
    levels = found.images.double() * 255
    assert bool(((levels - levels.round()).abs() < 1e-4).all()) == (chip is not None)


def test_an_empty_set_of_images_has_no_success():
    found = attacked(ann(), images(0), labels(0), attack=Fgsm(), epsilon=0.1, generator=generator())
    assert (len(found.images), len(found.success)) == (0, 0)


@given(
    seed=st.integers(0, 2**32 - 1),
    epsilon=st.one_of(st.integers(0, 255).map(lambda level: level * LEVEL), st.floats(0, 1)),
)
def test_rounding_stays_in_the_ball_and_takes_the_nearest_level_there(seed, epsilon):
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 256, 50)
    clean = torch.from_numpy(levels.astype(np.float32) / np.float32(255))
    moved = (clean + epsilon * torch.from_numpy(rng.uniform(-1, 1, 50).astype(np.float32))).clamp(0, 1)
    found = rounded_inside(moved, clean, epsilon)
    whole = np.rint(found.double().numpy() * 255).astype(int)
    assert np.array_equal(found.numpy(), (whole / 255).astype(np.float32))
    reach = int(np.floor(epsilon * 255 + 1e-4))
    assert np.abs(whole - levels).max() <= reach
    assert np.array_equal(whole, np.clip(np.rint(moved.double().numpy() * 255), levels - reach, levels + reach))


def test_rounding_alone_would_leave_the_ball():
    """Epsilon of 1.6 levels: 1.6 rounds to 2, which lies outside; a whole number of levels is reached in full."""
    clean = torch.tensor([100.0, 100.0]) / 255
    assert (rounded_inside(clean + 1.6 / 255, clean, 1.6 / 255) * 255).round().tolist() == [101, 101]
    assert (rounded_inside(clean + 8 * LEVEL, clean, 8 * LEVEL) * 255).round().tolist() == [108, 108]


def test_a_pixel_between_levels_with_no_level_in_reach_is_refused():
    with pytest.raises(AttackError, match=r"no multiple of 1/255 lies within 0.001 of some pixels"):
        rounded_inside(torch.tensor([0.5]), torch.tensor([0.5]), 0.001)
