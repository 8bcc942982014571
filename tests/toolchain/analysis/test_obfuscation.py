"""Networks whose gradients are masked for a reason are flagged, and sound ones are not."""

import itertools
from functools import cache

import msgspec
import pytest
import torch
from torch import nn

from spikeport.export.errors import ArchiveError, AttackError
from spikeport.toolchain.analysis.obfuscation import obfuscation
from spikeport.toolchain.analysis.result import Obfuscation, read
from spikeport.toolchain.analysis.runs import Runs
from spikeport.toolchain.analysis.settings import Checks
from spikeport.toolchain.analysis.writing import write
from spikeport.toolchain.attacks.ensemble import Member, paper_members
from spikeport.toolchain.attacks.fgsm import Fgsm
from spikeport.toolchain.attacks.gradients.surrogate import OtherSurrogate
from spikeport.toolchain.attacks.pgd import Pgd
from spikeport.toolchain.attacks.square import Square
from spikeport.toolchain.robustness.worst_case import worst_case
from tests.toolchain.analysis.networks import Misleading, Quantising, Saturated, held_out, linear, undefended

NAIVE = (Member(name="pgd", attack=Pgd()),)
WIDE = (Member(name="wide", attack=Pgd(gradient=OtherSurrogate())),)
QUICK = Checks(iterations=(5, 10, 20), epsilons=(8, 32, 64), queries=100, samples=40)
MASKED = {"saturated": Saturated, "quantising": Quantising, "misleading": Misleading}


def examined(model, members=NAIVE, *, epsilon=16.0, images=140, checks=QUICK, **options):
    pixels, labels = held_out(images)
    return obfuscation(
        model, pixels, labels, members=members, title="PGD-10", epsilon=epsilon, checks=checks, **options
    )


@cache
def masked(name):
    return examined(MASKED[name](linear()))


@cache
def sound():
    return examined(linear())


def verdicts(found):
    return {check.name: check.verdict for check in found.checks}


def test_a_sound_network_passes_every_check():
    found = sound()
    assert set(verdicts(found).values()) == {"pass"}
    assert found.passed
    assert found.doubts == found.reasons == ()
    assert found.without_gradient == 0
    assert "sound: 6 of 6 checks pass" in found.text()


@pytest.mark.parametrize("name", MASKED)
def test_masked_gradients_are_found_by_attacks_without_gradients_and_by_the_unbounded_one(name):
    found = masked(name)
    assert [verdicts(found)[check] for check in ("black_box", "unbounded", "random_sampling")] == ["fail"] * 3
    assert not found.passed
    assert found.together < found.robust - 0.1
    assert len(found.doubts) == 1 + len(found.reasons)
    shown = found.text().split("\n\n")[0].splitlines()
    assert shown[0] == f"FAILED: {found.doubts[0]}"
    bad = [each for each in found.checks if each.verdict != "pass"]
    assert shown[1 : 1 + len(bad)] == [f"{each.title}: {each.finding}" for each in bad]
    assert all(each.weaker.text() not in found.text() for each in bad)


@pytest.mark.parametrize(("name", "without"), [("saturated", 1.0), ("quantising", 1.0), ("misleading", 0.0)])
def test_a_gradient_that_is_exactly_zero_is_counted(name, without):
    found = masked(name)
    assert found.without_gradient == without * round(found.clean * found.images)


def test_a_gradient_that_is_right_at_the_images_alone_is_found_by_its_one_step():
    assert verdicts(masked("misleading"))["one_step"] == "fail"
    assert verdicts(masked("saturated"))["one_step"] == "pass"


class _RightNearTheMiddle(nn.Module):
    """Two classes by the mean of a pixel, whose gradient turns round where pixels lie far from 1/2."""

    def forward(self, images):
        turned = (images - 0.5).abs().amax((1, 2, 3), keepdim=True) > 0.2
        seen = torch.where(turned, 2 * images.detach() - images, images)
        margin = (seen - 0.5).flatten(1).mean(1)
        return torch.stack([-margin, margin], 1)


def test_a_larger_ball_in_which_the_attack_loses_its_way_is_found():
    generator = torch.Generator().manual_seed(0)
    pixels = 0.5 + 0.05 * torch.rand(100, 1, 2, 2, generator=generator) + 0.002
    labels = torch.ones(100, dtype=torch.int64)
    found = obfuscation(
        _RightNearTheMiddle(), pixels, labels, members=NAIVE, title="PGD-10", epsilon=26,
        checks=Checks(iterations=(5, 10), epsilons=(26, 100), queries=10, samples=10),
    )  # fmt: skip
    assert verdicts(found)["larger_epsilon"] == "fail"
    assert [check.weaker.name for check in found.checks if check.name == "larger_epsilon"] == ["eps 26/255"]


@pytest.mark.slow
def test_an_undefended_snn_that_its_own_surrogate_leaves_high_goes_to_about_0_under_the_ensemble():
    """Section 4.2 of Schmolli et al.: one surrogate gradient says little."""
    pixels, labels = held_out(70)
    naive, ensemble = (
        worst_case(undefended(), members, pixels, labels, epsilon=40 / 255) for members in (NAIVE, paper_members())
    )
    assert naive.clean > 0.9
    assert naive.robust > 0.5
    assert ensemble.robust < 0.03


def test_the_unbounded_attack_goes_on_with_the_most_iterations_where_any_image_is_in_reach(monkeypatch):
    asked, added = [], Runs.added
    monkeypatch.setattr(
        Runs, "added", lambda self, run, before: (asked.append((run, before)), added(self, run, before))[1]
    )
    found = examined(Saturated(linear()), images=70)
    ((run, before),) = asked
    assert (run.epsilon, [member.attack.steps for member in run.members]) == (255, [20])
    assert float((~before).double().mean()) == found.epsilons[-1].robust
    unbounded = next(check for check in found.checks if check.name == "unbounded")
    assert 0 < unbounded.stronger.robust < found.epsilons[-1].robust


@pytest.mark.slow
def test_a_surrogate_too_narrow_is_found_and_a_wider_one_is_sound():
    narrow, wide = (
        examined(undefended(), members, epsilon=32, images=count) for members, count in ((NAIVE, 70), (WIDE, 200))
    )
    assert verdicts(narrow)["black_box"] == "fail"
    assert wide.passed, wide.doubts
    assert wide.robust < narrow.robust - 0.3


def test_figures_are_those_of_the_worst_case_with_the_same_seed():
    pixels, labels = held_out(140)
    for epsilon, found in ((16, sound().robust), (64, sound().epsilons[-2].robust)):
        assert worst_case(linear(), NAIVE, pixels, labels, epsilon=epsilon / 255).robust == found
    assert [point.value for point in sound().epsilons] == [0, 8, 16, 32, 64, 255]
    assert [point.value for point in sound().iterations] == [5, 10, 20]


def test_equal_seeds_give_equal_results_and_the_model_is_as_it_was():
    pixels, labels = held_out(20)
    model = nn.Sequential(linear(), nn.Dropout(0.5))
    options = {"members": NAIVE, "title": "PGD-10", "epsilon": 16, "checks": QUICK}
    first, again = (obfuscation(model, pixels, labels, seed=3, **options) for _ in range(2))
    assert first == again
    assert [module.training for module in model.modules()] == [True, False, False, False, True]
    assert obfuscation(model, pixels, labels, seed=4, **options).seed == 4


def test_few_images_decide_nothing_and_that_is_no_pass():
    found = examined(linear(), images=20)
    assert set(verdicts(found).values()) == {"undecided"}
    assert not found.passed
    assert "too few images to tell" in found.doubts[0]


def test_an_attack_of_one_step_is_iterated_where_iterations_are_examined():
    found = examined(linear(), (Member(name="fgsm", attack=Fgsm()),), images=100)
    one = next(check for check in found.checks if check.name == "one_step")
    assert one.stronger.name == "iterations of PGD-10"
    assert found.robust == one.weaker.robust >= one.stronger.robust


def test_attacks_without_gradients_are_left_out_and_alone_refused():
    square = Member(name="square", attack=Square(queries=10))
    assert examined(linear(), (*NAIVE, square), images=70).robust == examined(linear(), images=70).robust
    with pytest.raises(AttackError, match="no attack follows a gradient"):
        examined(linear(), (square,))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"epsilon": 0}, "epsilon is 0; expected pixel levels above 0, up to 255"),
        ({"epsilon": 256}, "epsilon is 256; expected"),
        ({"epsilon": float("nan")}, "epsilon is nan; expected"),
        ({"images": 0}, "no images to examine"),
    ],
)
def test_what_cannot_be_examined_is_refused_at_the_start(changes, sentence):
    with pytest.raises(AttackError, match=sentence):
        examined(linear(), **changes)


def test_one_number_of_iterations_is_no_sweep():
    with pytest.raises(AttackError, match="expected two different numbers"):
        Checks(iterations=(10, 10))


@pytest.mark.parametrize("epsilon", [0.5, 8, 255])
def test_a_sweep_has_the_epsilon_and_ends_where_any_image_can_be_exchanged(epsilon):
    swept = Checks().sweep(epsilon)
    assert epsilon in swept
    assert swept[-1] == 255
    assert all(smaller < larger for smaller, larger in itertools.pairwise(swept))


def test_json_gives_the_result_back(tmp_path):
    write(masked("misleading"), tmp_path)
    found = read(tmp_path / "obfuscation.json")
    assert found == masked("misleading")
    assert found.doubts == masked("misleading").doubts
    document = msgspec.json.decode((tmp_path / "obfuscation.json").read_bytes())
    assert document["passed"] is False
    assert document["checks"][0]["verdict"] == "fail"
    assert document["checks"][0]["excess"]["share"] == found.checks[0].excess.share


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": 2}', '{"schema": 1}', "null"])
def test_a_damaged_file_is_named(text, tmp_path):
    path = tmp_path / "obfuscation.json"
    path.write_text(text)
    with pytest.raises(ArchiveError, match=r"obfuscation\.json: .*run spikeport analyze obfuscation again"):
        read(path)
    with pytest.raises(ArchiveError, match="schema"):
        Obfuscation.from_dict({"schema": 7})
