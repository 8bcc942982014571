"""Several processes compute what one does, and their errors come back."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export.errors import TrainingError
from spikeport.toolchain.attacks.pgd import Pgd
from spikeport.toolchain.objectives.robust_kl import RobustKl
from spikeport.toolchain.objectives.trades import Trades
from spikeport.toolchain.training.processes import parts
from spikeport.toolchain.training.settings import Training
from tests.toolchain.training.small import ann, dataset, same, snn, state, trained, without_norm


@given(count=st.integers(1, 50), processes=st.integers(1, 4), accumulate=st.integers(1, 4))
def test_parts_of_all_processes_are_the_batch_in_order(count, processes, accumulate):
    settings = Training(epochs=1, learning_rate=1, processes=processes, accumulate=accumulate)
    found = [part for rank in range(processes) for part in parts(count, settings, rank)]
    assert [row for part in found for row in range(part.first, part.last)] == list(range(count))
    assert sum(part.share for part in found) == pytest.approx(1)
    assert all(part.share == (part.last - part.first) / count for part in found)


def test_two_processes_train_as_one_does(tmp_path):
    """Without batch norm; the last batch has 5 images, of which one process computes 2 and the other 3."""
    one, two = ann(specification=without_norm()), ann(specification=without_norm())
    data, objective = dataset(65), Trades(attack=Pgd(steps=2))
    first = trained(one, tmp_path / "one", data=data, objective=objective)
    second = trained(two, tmp_path / "two", data=data, objective=objective, processes=2)
    for name, value in one.state_dict().items():
        assert torch.allclose(value, two.state_dict()[name], atol=1e-5), name
    for here, there in zip(first.history, second.history, strict=True):
        assert there["loss"] == pytest.approx(here["loss"], rel=1e-4)
        assert there["train"] == pytest.approx(here["train"], abs=0.02)
    kept = [sorted(path.name for path in (tmp_path / name / "epochs").iterdir()) for name in ("one", "two")]
    assert kept[0] == kept[1]


@pytest.mark.slow
def test_two_processes_with_batch_norm_share_its_statistics_and_resume_to_the_same_bits(tmp_path):
    whole, again = snn(), snn()
    trained(whole, tmp_path / "whole", objective=RobustKl(), processes=2, epochs=3)
    with pytest.raises(TrainingError, match="a process of the training ended"):
        trained(snn(), tmp_path / "broken", objective=RobustKl(), processes=2, epochs=3, after_update=failing(5))
    trained(again, tmp_path / "broken", objective=RobustKl(), processes=2, epochs=3)
    assert same(state(whole), state(again))


def failing(at):
    count = iter(range(1, 1000))

    def after_update():
        if next(count) == at:
            raise KeyError("lost")

    return after_update


def test_an_error_of_ours_comes_back_from_the_processes(tmp_path):
    model = ann()
    with torch.no_grad():
        model.projections_into("dense1")[0].synapses.weight.fill_(torch.nan)
    with pytest.raises(
        TrainingError,
        match=r"epoch 1, step 1: the training diverged: the loss is nan, first in layer 'projections.dense1",
    ):
        trained(model, tmp_path, processes=2)
