"""Moved images lie in their balls, do not depend on the batch, and flips are counted step by step."""

import pytest
import torch

from spikeport.toolchain.analysis.thresholds.perturbed import KINDS, PGD, SIGN, flips, moved, spikes
from tests.toolchain.analysis.thresholds.small import images, small

OPTIONS = {"epsilon": 8, "steps": 3, "seed": 1}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("levels", [None, 255])
def test_an_image_is_moved_alike_in_every_batch_and_stays_in_its_ball(kind, levels):
    model, (pixels, labels) = small(), images(5)
    found = moved(model, pixels, labels, kind=kind, numbers=range(5), levels=levels, **OPTIONS)
    last = moved(model, pixels[3:], labels[3:], kind=kind, numbers=(3, 4), levels=levels, **OPTIONS)
    assert torch.equal(found[3:], last)
    assert (found - pixels).abs().max() <= 8 / 255 + 1e-6
    assert 0 <= found.min() <= found.max() <= 1
    assert not torch.equal(found, pixels)
    if levels:
        assert torch.allclose(found * 255, (found * 255).round(), atol=1e-4)
    if kind == SIGN:
        inside = (pixels > 8 / 255) & (pixels < 1 - 8 / 255)
        assert torch.allclose((found - pixels).abs()[inside], torch.tensor(8 / 255), atol=1e-6)


def test_pgd_raises_the_loss_more_than_chance():
    model, (pixels, labels) = small(), images(20)
    loss = {}
    for kind in (SIGN, PGD):
        at = moved(model, pixels, labels, kind=kind, numbers=range(20), levels=None, **OPTIONS | {"epsilon": 40})
        loss[kind] = float(torch.nn.functional.cross_entropy(model(at), labels).detach())
    assert loss[PGD] > loss[SIGN]


def test_flips_are_neurons_and_steps_whose_spike_is_another():
    model, (pixels, _) = small(), images(4)
    before, after = (spikes(model, each, range(4)) for each in (pixels, pixels.flip(3)))
    assert all(int(each.sum()) == 0 for each in flips(before, before).values())
    for name, counts in flips(before, after).items():
        expected = [int((before[name][:, row] != after[name][:, row]).sum()) for row in range(4)]
        assert counts.tolist() == expected
        assert sum(expected) > 0
