"""Images that were made on the network of a file."""

import pytest
import torch
from torch import nn

from spikeport.export.errors import AttackError
from spikeport.toolchain import checkpoint
from spikeport.toolchain.attacks.fgsm import Fgsm
from spikeport.toolchain.attacks.gradients.expectation import Expectation
from spikeport.toolchain.attacks.losses.margin import Margin
from spikeport.toolchain.attacks.pgd import Pgd
from spikeport.toolchain.attacks.transfer import Transfer
from tests.toolchain.networks import ann, generator, images, labels, snn


def written(model, tmp_path, name="other.safetensors"):
    checkpoint.write(model, tmp_path / name)
    return str(tmp_path / name)


def attacked(attack, model, clean=None, truth=None):
    clean, truth = images(8) if clean is None else clean, labels(8) if truth is None else truth
    return attack(model, clean, truth, epsilon=0.1, generator=generator())


@pytest.mark.parametrize("make", [ann, snn])
@pytest.mark.parametrize("objective", [None, Margin()])
def test_images_are_those_of_the_attack_on_the_other_network(make, objective, tmp_path):
    other, model = make(seed=3).eval(), ann().eval()
    found = attacked(Transfer(network=written(other, tmp_path), objective=objective), model)
    assert torch.equal(found.images, attacked(Pgd(objective=objective), other).images)
    assert torch.equal(found.success, model(found.images).argmax(1) != labels(8))


def test_the_attacked_network_needs_no_gradient_and_is_asked_once_for_success(tmp_path):
    asked = []
    attack = Transfer(network=written(ann(3), tmp_path), attack=Fgsm())
    found = attacked(attack, lambda x: asked.append(len(x)) or x.flatten(1)[:, :5].round().int())
    assert asked == [8]
    assert (found.images - images(8)).abs().max() > 0.05


def test_a_file_that_changed_is_read_anew(tmp_path):
    attack = Transfer(network=written(ann(3), tmp_path))
    before = attacked(attack, ann().eval()).images
    written(snn(4), tmp_path)
    assert not torch.equal(attacked(attack, ann().eval()).images, before)


def test_an_exported_model_is_normalised_as_it_is_told(tmp_path):
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Flatten(), nn.Linear(128, 20), nn.ReLU(), nn.Linear(20, 5))
    program = torch.export.export(layers, (torch.rand(1, 2, 8, 8),))
    torch.export.save(program, tmp_path / "net.pt2")
    found = [
        attacked(Transfer(network=str(tmp_path / "net.pt2"), mean=mean, std=std), ann().eval()).images
        for mean, std in ((None, None), (0.5, (0.1, 0.3)))
    ]
    assert torch.allclose(found[0], attacked(Pgd(), layers).images, atol=1e-6)
    assert not torch.equal(*found)


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        (lambda path: Transfer(network=path + ".x"), r"other.safetensors.x: no such file; 'transfer' makes"),
        (lambda path: Transfer(network=path, gradient=Expectation()), "'transfer' uses no gradient of its own"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(attack, message, tmp_path):
    with pytest.raises(AttackError, match=message):
        attacked(attack(written(ann(), tmp_path)), ann().eval())


def test_images_and_labels_that_do_not_suit_the_other_network_are_refused(tmp_path):
    attack = Transfer(network=written(ann(), tmp_path))
    with pytest.raises(AttackError, match=r"other.safetensors: takes images \(2, 8, 8\), found images \(1, 8, 8\)"):
        attacked(attack, None, clean=images(8)[:, :1])
    with pytest.raises(
        AttackError, match=r"other.safetensors: labels reach from .* to 9; the network has classes 0 to 4"
    ):
        attacked(attack, None, truth=labels(8) + 5)
