"""Networks whose encoder draws: the same result in any batch, EOT where it belongs, the integers' own numbers."""

import msgspec
import numpy as np
import pytest
import torch

from spikeport.export.errors import AttackError
from spikeport.export.executors import fast
from spikeport.export.passes import folded
from spikeport.export.quantize import quantize
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import scores
from spikeport.toolchain.analysis.obfuscation import obfuscation
from spikeport.toolchain.analysis.settings import Checks
from spikeport.toolchain.attacks.apgd import Apgd
from spikeport.toolchain.attacks.ensemble import Member
from spikeport.toolchain.attacks.gradients.expectation import Expectation
from spikeport.toolchain.attacks.pgd import Pgd
from spikeport.toolchain.attacks.square import Square
from spikeport.toolchain.lowering import lower
from spikeport.toolchain.nn.draws import numbered
from spikeport.toolchain.nn.encoders.phase import Phase
from spikeport.toolchain.nn.encoders.poisson import Poisson
from spikeport.toolchain.nn.encoders.rsc import Rsc
from spikeport.toolchain.robustness.assessment import Way, assess
from spikeport.toolchain.robustness.deployed import Deployed
from spikeport.toolchain.robustness.groups import for_model
from spikeport.toolchain.robustness.subject import Subject
from spikeport.toolchain.robustness.worst_case import worst_case
from spikeport.toolchain.verbs.attack_settings import AttackSettings
from spikeport.toolchain.verbs.attacked import opened
from tests.toolchain.networks import ann, images, labels, snn

EOT = Pgd(steps=2, gradient=Expectation(draws=2))
MEMBERS = [
    Member(name="PGD", attack=Pgd(steps=2)),
    Member(name="EOT-PGD", attack=EOT),
    Member(name="APGD", attack=Apgd(steps=4)),
    Member(name="Square", attack=Square(queries=12)),
]
ENCODERS = {"poisson": Poisson(seed=2), "rsc": Rsc(sigma=0.2, seed=2), "phase": Phase()}


def network(encoder, steps=8):
    model = snn(steps=steps)
    model.spiking = msgspec.structs.replace(model.spiking, encoder=encoder)
    return model.eval()


def right_labels(model, x):
    """Return the classes that a network gives, so that every image can be attacked."""
    with torch.no_grad(), numbered(model, range(len(x))):
        return model(x).argmax(1)


@pytest.mark.parametrize("name", ["poisson", "rsc"])
def test_the_worst_case_of_a_random_network_does_not_depend_on_the_batch(name):
    model, x = network(ENCODERS[name]), images(7)
    truth = right_labels(model, x)
    first, second = (
        worst_case(model, MEMBERS, x, truth, epsilon=16 / 255, batch_size=size, levels=255, every_member=True)
        for size in (7, 3)
    )
    assert bool(first.right.all())
    assert torch.equal(first.success, second.success)
    assert torch.equal(first.worst, second.worst)


def test_an_image_is_judged_with_its_own_numbers_whatever_attacked_it():
    """With an epsilon of 0 the attacked image is the image, and it is as right as before."""
    model, x = network(ENCODERS["poisson"]), images(6)
    found = worst_case(model, MEMBERS[:2], x, right_labels(model, x), epsilon=0.0, batch_size=4, every_member=True)
    assert not bool(found.success.any())


@pytest.mark.parametrize("name", ENCODERS)
def test_the_deployed_network_codes_levels_as_the_file_of_images_is_coded(name):
    integer = quantize(folded(lower(network(ENCODERS[name]).double())))
    values = (255 * images(6)).round().byte().numpy()
    whole = stimulus(values, integer)
    expected = scores(fast.steps(integer, whole), integer, 6)
    judge = Deployed(integer)
    assert judge.is_random == (name != "phase")
    with numbered(judge, range(6)):
        assert np.array_equal(judge(images(6)).numpy(), expected)
    with numbered(judge, [4, 5]):
        assert np.array_equal(judge(images(6)[4:]).numpy(), expected[4:])


def test_eot_is_refused_for_a_network_of_ours_that_draws_nothing():
    for model in (network(Phase()), ann().eval()):
        with pytest.raises(AttackError, match=r"'expectation' \(EOT\) averages over what a network draws, and this"):
            worst_case(model, [Member(name="EOT", attack=EOT)], images(2), labels(2), epsilon=0.1)


def test_a_suite_on_a_network_that_draws_nothing_takes_the_gradient_itself_once():
    found = for_model(MEMBERS, network(Phase()))
    assert [member.name for member in found] == ["PGD", "APGD", "Square"]
    assert for_model(MEMBERS, network(Poisson())) == MEMBERS
    alone = for_model(MEMBERS[1:2], network(Phase()))
    assert [(member.name, member.attack) for member in alone] == [("PGD", Pgd(steps=2))]


@pytest.mark.parametrize(("members", "doubted"), [(MEMBERS[:1], True), (MEMBERS[:2], False), (MEMBERS[3:], False)])
def test_attacks_without_eot_on_a_random_network_are_doubted_in_words(members, doubted):
    model, x = network(ENCODERS["poisson"]), images(3)
    subject = Subject(model=model, deployed=None, networks={"float": {"what": "SNN", "digest": "0" * 32}}, levels=255)
    done = assess(subject, members, x, labels(3), suite="own", epsilons=(8,), way=Way())
    sentence = "warning: the network's encoder draws random numbers, and each attack of the suite follows the gradient"
    assert (sentence in done.text()) == doubted
    assert bool(done.doubts) == doubted


def test_square_goes_on_after_a_wrong_answer_of_a_random_network():
    model, x = network(Rsc(sigma=0.5)), images(4)
    found = Square(queries=9)(model, x, labels(4), epsilon=0.1, generator=torch.Generator().manual_seed(0))
    assert found.queries.tolist() == [9] * 4


def test_files_of_images_are_pixels_for_a_network_that_codes_them():
    integer = quantize(folded(lower(network(Phase()).double())))
    values = (255 * images(4)).round().byte().numpy()
    subject, pixels, _ = opened(integer, values, network(Phase()), labels(4).numpy(), AttackSettings())
    assert subject.levels == 255
    assert torch.equal(pixels, images(4))


@pytest.mark.parametrize("name", ["poisson", "phase"])
def test_checks_for_masked_gradients_take_what_suits_the_network(name):
    model, x = network(ENCODERS[name]), images(3)
    checks = Checks(iterations=(1, 2), epsilons=(8,), queries=3, samples=2)
    members = [Member(name="EOT-PGD", attack=EOT)]
    found = obfuscation(model, x, right_labels(model, x), members=members, title="own", epsilon=8, checks=checks)
    assert found.images == 3
    assert len(found.checks) == 6
