"""The penalty on potentials near thresholds against its equation, over any task, and what it refuses."""

import msgspec
import pytest
import torch
from torch.nn import functional

from spikeport.export.errors import RecipeError, TrainingError
from spikeport.toolchain.attacks.pgd import Pgd
from spikeport.toolchain.objectives.adversarial import Adversarial
from spikeport.toolchain.objectives.mart import Mart
from spikeport.toolchain.objectives.plain import Plain
from spikeport.toolchain.objectives.robust_kl import RobustKl
from spikeport.toolchain.objectives.threshold_guarding import ThresholdGuarding
from spikeport.toolchain.objectives.trades import Trades
from tests.toolchain.networks import NETWORKS, ann, generator, images, labels, snn
from tests.toolchain.training.small import trained

TASKS = [Plain(), Adversarial(attack=Pgd(steps=1)), Trades(attack=Pgd(steps=1)), Mart(attack=Pgd(steps=1)), RobustKl()]
PASSES = {"plain": 1, "adversarial": 1, "trades": 2, "mart": 2, "robust_kl": 2}


def potentials(model, name, currents):
    """Return the potentials before reset, (T, N, ...), of a population with hard reset, step by step."""
    threshold, tau = (each.detach() for each in (model.neurons_of(name).threshold, model.neurons_of(name).tau))
    rest, before = torch.zeros_like(currents[0]), []
    for current in currents.expand(model.steps, *currents.shape[1:]):
        before.append(tau * rest + current)
        rest = torch.where(before[-1] >= threshold, 0, before[-1])
    return torch.stack(before)


def penalty(model, margin, pixels):
    """Return sum_l C(V_l) of one forward pass, written out; the model's statistics are left as they were."""
    state = {name: value.clone() for name, value in model.state_dict().items()}
    total = 0.0
    with torch.no_grad():
        for node in model.neuron_nodes():
            currents, threshold = model.currents(pixels, node.name), model.neurons_of(node.name).threshold
            distance = (potentials(model, node.name, currents) / threshold - 1).abs()
            total += functional.relu(margin - distance).mean().item()
            model.load_state_dict(state)
    return total


@pytest.mark.parametrize("name", NETWORKS)
def test_the_penalty_is_that_of_the_potentials_before_reset_in_every_architecture(name):
    model = snn(specification=NETWORKS[name]).train()
    expected = penalty(model, 0.4, images())
    objective = ThresholdGuarding(margin=0.4, weight=3.0)
    loss = objective(model, images(), labels(), generator=generator())
    assert loss.parts["guarding"].item() == pytest.approx(expected, rel=1e-5)
    assert loss.total.item() == pytest.approx(loss.parts["task"].item() + 3 * expected, rel=1e-5)
    assert expected > 0


@pytest.mark.parametrize("task", TASKS, ids=lambda task: type(task).__name__)
def test_a_task_is_what_it_is_alone_and_its_passes_in_training_mode_are_guarded(task):
    calls, model = [], snn().train()
    model.register_forward_hook(lambda module, given, _: calls.append((given[0].detach(), module.training)))
    alone = task(snn().train(), images(), labels(), generator=generator())
    found = ThresholdGuarding(task=task, margin=0.5, weight=2.0)(model, images(), labels(), generator=generator())
    assert torch.equal(found.parts["task"], alone.total)
    assert all(torch.equal(found.parts[name], part) for name, part in alone.parts.items())
    assert (found.logits is None) == (alone.logits is None)
    guarded = [pixels for pixels, training in calls if training]
    assert len(guarded) == PASSES[task.__struct_config__.tag]
    each = [penalty(snn().train(), 0.5, pixels) for pixels in guarded]
    assert found.parts["guarding"].item() == pytest.approx(sum(each) / len(each), rel=1e-5)


def test_no_penalty_is_computed_outside_of_the_block():
    model = snn().train()
    ThresholdGuarding()(model, images(), labels(), generator=generator())
    with model.guard(0.2) as guard:
        model.eval()(images())
    model.train()(images())
    assert guard.passes == []


def test_descending_the_penalty_moves_potentials_away_from_thresholds():
    """Weights alone, so that no threshold moves to where no potential is."""
    model = snn().train()
    learned = [synapses.weight for synapses in model.synapses().values()]
    optimizer, values = torch.optim.SGD(learned, lr=0.5), []
    for _ in range(15):
        with model.guard(0.3) as guard:
            model(images(32))
        optimizer.zero_grad()
        guard.penalty().backward()
        optimizer.step()
        values.append(guard.penalty().item())
    assert values[-1] < 0.8 * values[0]


def test_lambda_rises_linearly_and_stays():
    objective = ThresholdGuarding(weight=2.0, ramp=0.5)
    assert [objective.in_epoch(epoch, 8).weight for epoch in range(1, 9)] == [0.5, 1.0, 1.5, 2.0, 2.0, 2.0, 2.0, 2.0]
    assert ThresholdGuarding(weight=2.0, ramp=0.0).in_epoch(1, 8).weight == 2
    assert ThresholdGuarding(weight=2.0, ramp=1.0).in_epoch(1, 1).weight == 2
    assert objective.in_epoch(4, 8).margin == objective.margin


def test_the_ramp_and_the_parts_stand_in_the_history(tmp_path):
    objective = ThresholdGuarding(task=RobustKl(), weight=0.5, ramp=1.0)
    history = trained(snn(), tmp_path, objective=objective, epochs=2, best="robust").history
    assert [row["parts"]["guarding_weight"] for row in history] == [0.25, 0.5]
    for row in history:
        parts = row["parts"]
        assert set(parts) == {"clean", "divergence", "task", "guarding", "guarding_weight"}
        assert row["loss"] == pytest.approx(parts["task"] + parts["guarding_weight"] * parts["guarding"], rel=1e-5)
        assert "robust" in row


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"weight": -1.0}, "weight"),
        ({"margin": 0.0}, "margin"),
        ({"margin": -0.1}, "margin"),
        ({"ramp": 1.5}, "ramp"),
        ({"ramp": -0.5}, "ramp"),
    ],
)
def test_values_out_of_range_are_refused(values, match):
    with pytest.raises(msgspec.ValidationError, match=match):
        msgspec.convert({"kind": "threshold_guarding", **values}, ThresholdGuarding)


def test_guarding_in_itself_is_refused():
    with pytest.raises(RecipeError, match="its task is threshold_guarding, too; name the objective to guard"):
        ThresholdGuarding(task=ThresholdGuarding())


def test_an_ann_is_refused_before_training(tmp_path):
    with pytest.raises(TrainingError, match="'threshold_guarding' needs potentials, and an ANN has none; use kind"):
        trained(ann(), tmp_path, objective=ThresholdGuarding(task=Trades()))
    with pytest.raises(TrainingError, match="needs potentials, which ANN"):
        ThresholdGuarding()(ann(), images(), labels(), generator=generator())
