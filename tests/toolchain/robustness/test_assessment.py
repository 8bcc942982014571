"""Both networks under a suite: what is robust after deployment is decided again by the reference executor."""

import pickle

import numpy as np
import pytest
import torch

from spikeport.export.errors import AttackError
from spikeport.export.executors import reference
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import predicted
from spikeport.toolchain.attacks.ensemble import Member, members_of, paper_gradients
from spikeport.toolchain.attacks.fgsm import Fgsm
from spikeport.toolchain.attacks.gradients.expectation import Expectation
from spikeport.toolchain.attacks.pgd import Pgd
from spikeport.toolchain.attacks.square import Square
from spikeport.toolchain.data.dataset import LEVEL
from spikeport.toolchain.evaluation import predictions
from spikeport.toolchain.robustness import assessment
from spikeport.toolchain.robustness.assessed import BLACK, DEPLOYED, TRAINED, TRANSFERRED, WHITE, Share
from spikeport.toolchain.robustness.assessment import Way, assess
from spikeport.toolchain.robustness.deployed import Deployed
from spikeport.toolchain.robustness.subject import Subject
from spikeport.toolchain.robustness.worst_images import worst_images
from tests.toolchain.networks import images, integers, snn

COUNT = 24
MODEL, NETWORK = snn(), integers()
IMAGES = images(COUNT)
LABELS = predictions(MODEL, IMAGES)
FEW = dict(list(paper_gradients().items())[:2])
MEMBERS = [
    *(Member(name=f"FGSM, {each.name}", attack=each.attack) for each in members_of(Fgsm(), FEW)),
    Member(name="PGD-3", attack=Pgd(steps=3)),
    Member(name="Square 12", attack=Square(queries=12)),
]
TOLD = {role: {"what": f"{role} network", "digest": role} for role in (TRAINED, DEPLOYED)}


def subject(*, model=MODEL, network=NETWORK):
    both = {TRAINED: model, DEPLOYED: network}
    return Subject(
        model=model,
        deployed=None if network is None else Deployed(network, threads=1),
        networks={role: TOLD[role] for role, each in both.items() if each is not None},
        levels=255,
    )


def assessed(of=None, *, members=MEMBERS, epsilons=(8,), labels=LABELS, pixels=IMAGES, **options):
    """Return the assessment and what was found at every epsilon."""
    kept = []
    done = assess(
        of or subject(), members, pixels, labels,
        suite="test", epsilons=epsilons, way=Way(batch_size=3, **options), kept=lambda *found: kept.append(found),
    )  # fmt: skip
    return done, kept


@pytest.fixture(scope="module")
def both():
    return assessed(epsilons=(2.6, 8))


def of_integers(pixels):
    levels = np.rint(pixels.double().numpy() * 255).astype(np.uint8)
    return torch.from_numpy(predicted(NETWORK, stimulus(levels, NETWORK), reference.steps))


def test_every_attack_has_a_row_on_the_network_that_it_can_attack(both):
    rows = [(row.title, row.network, row.way) for row in both[0].epsilons[0].rows]
    assert rows == [
        ("FGSM, 2 gradients", TRAINED, WHITE),
        ("PGD-3", TRAINED, WHITE),
        ("Square 12", TRAINED, BLACK),
        ("FGSM, 2 gradients", DEPLOYED, TRANSFERRED),
        ("PGD-3", DEPLOYED, TRANSFERRED),
        ("Square 12", DEPLOYED, BLACK),
    ]


def test_attacked_images_are_levels_in_the_ball_and_decide_in_the_reference(both):
    broken = 0
    for at, found in both[1]:
        for each in found:
            worst = each.case.worst.double()
            levels, clean = worst * 255, IMAGES.double() * 255
            assert (levels - levels.round()).abs().max() < 1e-4
            assert (levels - clean).abs().max() < at.epsilon + 1e-4
            assert levels.min() >= 0
            assert levels.max() <= 255 + 1e-4
            judge = of_integers if each.row.network == DEPLOYED else lambda pixels: predictions(MODEL, pixels)
            assert torch.equal(judge(each.case.worst) == LABELS, each.case.standing)
            broken += int((~each.case.standing & (judge(IMAGES) == LABELS)).sum())
    assert broken > 20


def test_after_deployment_is_the_minimum_per_image_over_all_rows_of_the_integers(both):
    for at, found in both[1]:
        standing = {
            key: torch.stack([each.case.standing for each in found if key in (each.row.network, each.row.way)]).all(0)
            for key in (TRAINED, DEPLOYED, TRANSFERRED)
        }
        own = torch.stack([e.case.standing for e in found if (e.row.network, e.row.way) == (DEPLOYED, BLACK)]).all(0)
        assert at.worst_float == Share.of(int(standing[TRAINED].sum()), COUNT)
        assert at.deployed == Share.of(int(standing[DEPLOYED].sum()), COUNT)
        assert at.worst_transferred == Share.of(int(standing[TRANSFERRED].sum()), COUNT)
        assert at.worst_black_box == Share.of(int(own.sum()), COUNT)
        assert torch.equal(standing[DEPLOYED], standing[TRANSFERRED] & own)
        of_model = {
            way: [e.case for e in found if (e.row.network, e.row.way) == (TRAINED, way)] for way in (WHITE, BLACK)
        }
        white, black = (torch.stack([case.standing for case in each]).all(0) for each in of_model.values())
        assert at.black_box_only == int((white & ~black).sum())
        assert at.epsilon < 8 or at.black_box_only < int((~black).sum())


def test_worst_images_are_those_of_the_deployed_network(both):
    for _, found in both[1]:
        levels, robust = worst_images(found, subject())
        assert levels.dtype == np.uint8
        expected = torch.stack([each.case.standing for each in found if each.row.network == DEPLOYED]).all(0)
        assert np.array_equal(robust, expected.numpy())
        right = predicted(NETWORK, stimulus(levels, NETWORK), reference.steps) == LABELS.numpy()
        assert np.array_equal(right, robust)


def test_a_larger_epsilon_leaves_fewer_and_an_epsilon_of_zero_the_clean_images(both):
    small, large = both[0].epsilons
    assert large.deployed.share < small.deployed.share
    (nothing,) = assessed(members=MEMBERS[:1], epsilons=(0,))[0].epsilons
    assert nothing.deployed == both[0].clean[DEPLOYED]


def test_clean_accuracy_and_agreement_are_counted_on_the_same_images(both):
    done, expected = both[0], of_integers(IMAGES)
    assert done.clean[TRAINED].share == 1
    assert done.clean[DEPLOYED].share == float((expected == LABELS).double().mean()) == done.agreement


def test_the_integers_alone_are_attacked_by_their_scores():
    done, _ = assessed(subject(model=None), members=MEMBERS[3:])
    assert [row.way for row in done.epsilons[0].rows] == [BLACK]
    assert done.epsilons[0].deployed == done.epsilons[0].worst_black_box
    assert done.epsilons[0].worst_float is None
    assert "no white-box attack was run" in done.text()


def test_the_float_network_alone_has_no_row_of_integers():
    done, _ = assessed(subject(network=None))
    assert done.epsilons[0].deployed is None
    assert "integers" not in done.text()
    assert done.agreement is None


def test_parts_that_are_kept_give_the_same_result(tmp_path):
    first, _ = assessed(folder=tmp_path)
    assert len(list(tmp_path.rglob("part-*.npz"))) == 6 * 2
    next(iter(tmp_path.rglob("part-00001.npz"))).unlink()
    again, _ = assessed(folder=tmp_path)
    without = {"seconds"}
    for one, other in zip(first.epsilons[0].rows, again.epsilons[0].rows, strict=True):
        assert {k: v for k, v in one.to_dict().items() if k not in {*without, "members"}} == {
            k: v for k, v in other.to_dict().items() if k not in {*without, "members"}
        }


def test_masked_gradients_are_told_where_square_leaves_less():
    """A network whose scores do not depend on small changes but for their sign has no gradient to follow."""

    class Masked(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = MODEL

        def forward(self, pixels):
            return self.model(pixels.detach()) + 0 * pixels.flatten(1)[:, :5]

    of = Subject(model=Masked().eval(), deployed=None, networks={TRAINED: TOLD[TRAINED]}, levels=255)
    done, _ = assessed(of, epsilons=(8,))
    assert done.epsilons[0].masked
    assert done.epsilons[0].black_box_only > 0
    assert "a sign of masked gradients" in done.text().splitlines()[-1]
    share, count = done.epsilons[0].worst_float, done.epsilons[0].black_box_only
    assert done.text().splitlines()[0] == f"robust accuracy of the float network: {share.text()} % at 8/255"
    assert f"images of the float network that only attacks without gradients break: {count} at 8/255\n" in done.text()
    several, _ = assessed(of, epsilons=(8, 16, 32))
    assert len(several.warnings) == 1
    assert several.warnings[0].startswith("warning: at 8/255, 16/255 and 32/255 an attack without gradients leaves")
    assert "a sign of masked gradients" not in assessed(epsilons=(0,), members=MEMBERS[2:])[0].text()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"epsilons": ()}, "no epsilon; expected one or more"),
        ({"epsilons": (300,)}, "epsilon is 300; expected 0 to 255, in levels of 1/255"),
        ({"epsilons": (-1,)}, "epsilon is -1; expected 0 to 255"),
        ({"epsilons": (float("nan"),)}, "epsilon is nan; expected 0 to 255"),
        ({"epsilons": (8, 8)}, "an epsilon stands twice in 8, 8"),
        ({"epsilons": (8 / 255,)}, "no image within epsilon differs; expected 1 or more"),
        ({"members": []}, "the suite has no members"),
        ({"labels": LABELS[:0], "pixels": IMAGES[:0]}, "no images to attack; the input is empty"),
        (
            {"labels": LABELS.clone().index_fill_(0, torch.tensor([3]), 5)},
            "image 3 has label 5; expected labels 0 to 4",
        ),
        ({"labels": LABELS.clone().index_fill_(0, torch.tensor([2]), -1)}, "image 2 has label -1"),
        ({"pixels": IMAGES * 2}, r"expected pixels in \[0, 1\]|expected 0 to 255 and whole levels"),
        ({"of": subject(model=None)}, r"3 of 4 attacks of the suite \(FGSM, .*\) need gradients.*--float MODEL"),
    ],
)
def test_what_cannot_be_attacked_is_refused(options, sentence):
    with pytest.raises(AttackError, match=sentence):
        assessed(**options)


def test_networks_with_other_classes_are_refused():
    other = snn()
    other.forward = lambda pixels: torch.zeros(len(pixels), 7)
    with pytest.raises(AttackError, match="the float network has 7 classes, the deployed one 5"):
        assessed(subject(model=other), members=MEMBERS[3:])


def test_another_process_makes_the_deployed_network_again():
    deployed = Deployed(NETWORK, threads=2)
    again = pickle.loads(pickle.dumps(deployed))
    assert again._run.threads == 1
    assert torch.equal(again(IMAGES), deployed(IMAGES))


def test_every_member_is_tried_on_every_image_where_it_is_told():
    (_, ((_, dropped),)), (_, ((_, every),)) = (
        assessed(members=MEMBERS[:2], every_member=each) for each in (False, True)
    )
    assert all(bool(each.case.tried[:, each.case.right].all()) for each in every)
    assert not all(bool(each.case.tried[:, each.case.right].all()) for each in dropped)


def test_another_seed_gives_other_images():
    (_, ((_, one),)), (_, ((_, other),)) = (assessed(members=MEMBERS[2:3], seed=seed) for seed in (0, 1))
    assert not torch.equal(one[0].case.worst, other[0].case.worst)


def test_standard_errors_are_those_of_a_share():
    share = Share.of(30, 120)
    assert share.share == 0.25
    assert share.error == pytest.approx(np.sqrt(0.25 * 0.75 / 120))
    assert share.text() == "25.0 ± 4.0"
    assert Share.of(120, 120).error == 0


def test_epsilon_in_levels_is_that_of_pixels():
    """8 means 8/255: the largest change of any image of a row is 8 levels."""
    _, ((_, found),) = assessed(members=MEMBERS[2:], epsilons=(8,))
    moved = max(float((each.case.worst - IMAGES).abs().max()) for each in found)
    assert moved == pytest.approx(8 * LEVEL, abs=1e-6)


def test_the_time_left_follows_what_attacks_take_and_then_what_was_measured(monkeypatch):
    """A row of one pass and one of a hundred, at two epsilons: after the first second 201 are left, not 3."""
    now = [0.0]
    monkeypatch.setattr(assessment.time, "monotonic", lambda: now[0])
    row = assessed(members=MEMBERS[3:])[0].epsilons[0].rows[0]
    told = assessment.Told([1.0, 100.0], 2)
    lefts = []
    for seconds in (1.0, 60.0, 2.0):
        now[0] += seconds
        told.told(row)
        lefts.append(told.left())
    assert lefts == [201.0, 61.0, 60.0]


def test_an_attack_is_expected_to_take_its_steps_times_its_draws():
    cheap, dear = (assessment._passes(each) for each in (Fgsm(), Pgd(steps=10, restarts=2)))
    assert (cheap, dear) == (3, 60)
    assert assessment._passes(Pgd(gradient=Expectation(draws=5), steps=10)) == 150
    assert assessment._passes(Square(queries=70)) == 70
