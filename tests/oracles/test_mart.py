"""MART against its authors' code, on the same logits (``training/record_mart.py``).

Their code computes log(1.0001 - p) where the paper has log(1 - p), so the loss may differ by 1e-4 / (1 - p) an image,
and the gradient likewise; p is the largest wrong probability. That bound is what the comparison allows.
"""

import json
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from spikeport.toolchain.objectives.mart import mart

RECORDED = json.loads((Path(__file__).parent / "training" / "mart.json").read_text())
ROUNDING = 2e-6
pytestmark = pytest.mark.oracle


@pytest.mark.parametrize("name", RECORDED["cases"])
def test_loss_and_gradients_are_those_of_the_authors_code(name):
    case = RECORDED["cases"][name]
    clean = torch.tensor(case["clean"], requires_grad=True)
    attacked = torch.tensor(case["attacked"], requires_grad=True)
    labels = torch.tensor(case["labels"])
    loss = mart(clean, attacked, labels, RECORDED["beta"])
    loss.total.backward()
    wrong = functional.softmax(attacked.detach(), 1).scatter(1, labels[:, None], 0).amax(1)
    apart = 1e-4 / (1 - wrong)
    assert abs(loss.total.item() - case["loss"]) < float(apart.mean()) + 2e-5
    assert torch.allclose(clean.grad, torch.tensor(case["clean_gradient"]), atol=ROUNDING)
    difference = (attacked.grad - torch.tensor(case["attacked_gradient"])).abs().amax(1)
    assert bool((difference < apart / len(labels) + ROUNDING).all())
    assert float(attacked.grad.abs().max()) > 1e-2
