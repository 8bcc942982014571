"""TET and E-RSCT against their equations in numpy, the teacher by its name, and adversarial training around them."""

import copy

import numpy as np
import pytest
import torch

from spikeport.export.errors import TrainingError
from spikeport.toolchain import checkpoint
from spikeport.toolchain.attacks.fgsm import Fgsm
from spikeport.toolchain.named_models import is_named, named, naming
from spikeport.toolchain.objectives.adversarial import Adversarial
from spikeport.toolchain.objectives.e_rsct import ERsct
from spikeport.toolchain.objectives.plain import Plain
from spikeport.toolchain.objectives.tet import Tet
from tests.toolchain.networks import ann, generator, images, labels, snn


def softmax(values):
    powers = np.exp(values - values.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def loss_of(objective, model, x=None):
    return objective(model, images() if x is None else x, labels(), generator=generator())


@pytest.fixture
def model():
    return snn(steps=5).eval()


def outputs_of(model):
    with torch.no_grad():
        return model.outputs(images()).double().numpy()


def test_the_logits_are_the_mean_of_what_the_readout_gets_in_every_step(model):
    outputs = model.outputs(images())
    assert outputs.shape == (5, 6, 5)
    assert torch.equal(outputs.mean(0), model(images()))
    assert outputs.std(0).max() > 0


def test_tet_is_the_mean_cross_entropy_of_the_steps(model):
    outputs = outputs_of(model)
    expected = -np.log(softmax(outputs)[:, np.arange(6), labels().numpy()]).mean()
    loss = loss_of(Tet(), model)
    assert loss.total.item() == pytest.approx(expected, rel=1e-5)
    assert torch.equal(loss.logits, model(images()))
    assert loss.total.item() > loss_of(Plain(), model).total.item()  # by Jensen's inequality


def test_tet_with_its_second_term(model):
    outputs = outputs_of(model)
    steps = loss_of(Tet(), model).total.item()
    loss = loss_of(Tet(regularization=0.05, target=0.5), model)
    assert loss.total.item() == pytest.approx(0.95 * steps + 0.05 * ((outputs - 0.5) ** 2).mean(), rel=1e-5)


@pytest.mark.parametrize("direction", ["student||teacher", "teacher||student"])
def test_e_rsct_adds_the_divergence_of_the_teacher(model, direction):
    teacher = ann(3)
    with torch.no_grad():
        probabilities = {
            "teacher": softmax(teacher.eval()(images()).double().numpy()),
            "student": softmax(outputs_of(model).mean(0)),
        }
    first, second = (probabilities[name] for name in direction.split("||"))
    divergence = (first * np.log(first / second)).sum(1).mean()
    with naming({"dense": teacher}):
        loss = loss_of(ERsct(teacher="dense", weight=0.3, direction=direction), model)
        assert loss_of(ERsct(teacher="dense", weight=0), model).total == loss_of(Tet(), model).total
    assert loss.total.item() == pytest.approx(0.3 * divergence + loss_of(Tet(), model).total.item(), rel=1e-4)
    assert loss.parts["teacher"].item() == pytest.approx(divergence, rel=1e-4)


def test_the_teacher_learns_nothing_and_is_in_evaluation_mode(model):
    teacher = ann(3).train()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    with naming({"dense": teacher}):
        loss_of(ERsct(teacher="dense"), model.train()).total.backward()
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_a_teacher_is_a_file_or_a_network_by_its_name(tmp_path):
    checkpoint.write(ann(3), tmp_path / "model.safetensors")
    with naming({"file": tmp_path / "model.safetensors"}):
        first = named("file")
        assert named("file") is first
        assert torch.equal(first(images()), ann(3).eval()(images()))
        with pytest.raises(TrainingError, match="no network is called 'other' here; there are file"):
            named("other")
    assert not is_named("file")


def test_a_task_that_sees_no_clean_images_has_nothing_to_compare(model):
    objective = ERsct(teacher="dense", task=Adversarial(attack=Fgsm()))
    with naming({"dense": ann()}), pytest.raises(TrainingError, match="'adversarial' sees no clean images"):
        loss_of(objective, model)


def test_adversarial_training_gives_attacked_images_to_its_task(model):
    with naming({"dense": ann(3)}):
        task, same = ERsct(teacher="dense"), copy.deepcopy(model)
        loss = loss_of(Adversarial(epsilon=8, attack=Fgsm(), task=task), model)
        attacked = Adversarial(attack=Fgsm()).attacked(same, images(), labels(), generator=generator())
        expected = loss_of(task, same, attacked)
    assert loss.logits is None
    assert loss.total.item() == pytest.approx(expected.total.item(), rel=1e-5)
    assert set(loss.parts) == {"task", "teacher"}
