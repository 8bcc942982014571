"""The learning rate against PyTorch's own schedules."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikeport.toolchain.training.schedule import learning_rate, optimizer_of
from spikeport.toolchain.training.settings import Training


@given(epochs=st.integers(1, 30), rate=st.floats(1e-4, 10))
def test_cosine_is_pytorchs_cosine_annealing(epochs, rate):
    parameter = torch.nn.Parameter(torch.zeros(1))
    settings = Training(epochs=epochs, learning_rate=rate)
    optimizer = optimizer_of([parameter], settings)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for epoch in range(epochs):
        assert learning_rate(settings, epoch, 0, 5) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-6)
        optimizer.step()
        theirs.step()


def test_warmup_rises_step_by_step_and_the_cosine_begins_behind_it():
    settings = Training(epochs=6, learning_rate=1.0, warmup=2)
    rising = [learning_rate(settings, epoch, step, 4) for epoch in range(2) for step in range(4)]
    assert rising == pytest.approx([(k + 1) / 8 for k in range(8)])
    after = [learning_rate(settings, epoch, 0, 4) for epoch in range(2, 6)]
    short = Training(epochs=4, learning_rate=1.0)
    assert after == [learning_rate(short, epoch, 0, 4) for epoch in range(4)]


def test_constant_stays():
    settings = Training(epochs=9, learning_rate=0.3, schedule="constant")
    assert {learning_rate(settings, epoch, step, 4) for epoch in range(9) for step in range(4)} == {0.3}


@pytest.mark.parametrize(("name", "kind"), [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam)])
def test_optimizer_has_the_settings(name, kind):
    settings = Training(epochs=1, learning_rate=0.3, optimizer=name, momentum=0.7, weight_decay=0.01)
    (group,) = optimizer_of([torch.nn.Parameter(torch.zeros(1))], settings).param_groups
    assert isinstance(optimizer_of([torch.nn.Parameter(torch.zeros(1))], settings), kind)
    assert (group["lr"], group["weight_decay"]) == (0.3, 0.01)
    assert group.get("momentum", 0.7) == 0.7
    assert group.get("betas", (0.9, 0.999)) == (0.9, 0.999)
