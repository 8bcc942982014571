"""Suites: those that ship, and what is wrong with a file."""

import msgspec
import pytest
import torch

from spikeport.export.errors import AttackError
from spikeport.toolchain.attacks.apgd import Apgd
from spikeport.toolchain.attacks.ensemble import Member, paper_gradients, paper_members
from spikeport.toolchain.attacks.fgsm import Fgsm
from spikeport.toolchain.attacks.gradients.surrogate import OtherSurrogate
from spikeport.toolchain.attacks.pgd import Pgd
from spikeport.toolchain.attacks.square import Square
from spikeport.toolchain.nn.surrogates.piecewise_linear import PiecewiseLinear
from spikeport.toolchain.robustness.groups import for_model
from spikeport.toolchain.robustness.suites import SUITE_DIR, suite_names, suite_of
from spikeport.toolchain.robustness.worst_case import worst_case
from tests.toolchain.networks import images, snn

TABLE_A1 = {
    "piecewise_linear": [(1.0,), (2.0,), (3.0,), (0.5,), (0.25,)],
    "exponential": [(0.3, 0.5), (0.3, 1.0), (0.3, 2.0), (1.0, 0.5), (1.0, 1.0), (1.0, 2.0)],
    "rectangular": [(0.25,), (0.5,), (1.0,), (2.0,), (4.0,)],
    "straight_through": [()],
}
"""Rows of the paper's table, in its order; backward through rate and conversion follow."""


def test_the_ensemble_has_the_rows_of_the_papers_table():
    gradients = list(paper_gradients().values())
    rows = [(kind, parameters) for kind, each in TABLE_A1.items() for parameters in each]
    found = [msgspec.to_builtins(gradient.surrogate) for gradient in gradients[:17]]
    assert [(each.pop("kind"), tuple(each.values())) for each in found] == rows
    assert [msgspec.to_builtins(gradient)["kind"] for gradient in gradients[17:]] == ["rate", "conversion"]
    assert all(isinstance(gradient, OtherSurrogate) for gradient in gradients[:17])
    members = paper_members()
    assert len({member.name for member in members}) == 19
    assert {msgspec.structs.replace(member.attack, gradient=Pgd().gradient) for member in members} == {Pgd(steps=10)}
    assert all(isinstance(member.attack, Fgsm) for member in paper_members(Fgsm()))


def test_the_suite_of_the_paper_has_every_attack_with_every_gradient():
    members = suite_of("paper").members
    kinds = [type(member.attack) for member in members]
    assert kinds == [Fgsm] * 19 + [Pgd] * 19 + [Apgd] * 38 + [Pgd] + [Square] * 3
    for first in (0, 19, 38, 57):
        assert [member.attack.gradient for member in members[first : first + 19]] == list(paper_gradients().values())
    assert [member.attack.queries for member in members[-3:]] == [500, 1000, 5000]
    assert members[19].attack == Pgd(gradient=OtherSurrogate(surrogate=PiecewiseLinear(width=1.0)))
    assert suite_of("rsc").members[1].attack.step_size * 8 / 255 / 7 == pytest.approx(0.01)


def short(member):
    """Return a member with few steps and queries."""
    few = {"steps": 2, "queries": 10}
    changed = {name: value for name, value in few.items() if hasattr(member.attack, name)}
    return Member(name=member.name, attack=msgspec.structs.replace(member.attack, **changed))


@pytest.mark.parametrize("name", suite_names())
def test_every_suite_runs_on_a_spiking_network(name):
    model, clean = snn(), images(2)
    with torch.no_grad():
        labels = model(clean).argmax(1)
    members = for_model(suite_of(name).members, model)
    assert len(members) == len(suite_of(name).members) - (name == "rsc")  # EOT-PGD-7 is PGD-7 where nothing is drawn
    result = worst_case(model, [short(member) for member in members], clean, labels, epsilon=2 / 255, every_member=True)
    assert [member.name for member in result.members] == [member.name for member in members]
    assert all(member.tried == 2 and member.queries > 0 for member in result.members)


def test_a_file_of_the_users_own_is_read(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[[members]]\nname = "both"\ngradients = "paper"\nattack = { kind = "fgsm" }\n')
    suite = suite_of(str(path))
    assert (suite.name, suite.title, len(suite.members)) == ("mine", "mine", 19)
    assert suite.members[17].name == "both, backward through rate"
    assert suite_of("quick").title == (suite_of(str(SUITE_DIR / "quick.toml"))).title


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "members: is missing"),
        ("members = []", "members"),
        (
            '[[members]]\nname = "a"\nattack = { kind = "pgdd" }',
            r"members\[0\].attack.kind: 'pgdd'; expected .*did you",
        ),
        ('[[members]]\nname = "a"\nattack = { kind = "pgd", steps = 0 }', r"members\[0\].attack.steps"),
        ('[[members]]\nname = "a"\nattack = { kind = "fgsm" }\n' * 2, "two members are named 'a'"),
        (
            '[[members]]\nname = "a"\ngradients = "paper"\nattack = { kind = "pgd", gradient = { kind = "rate" } }',
            "'a' has gradients = \"paper\" and an attack that takes none",
        ),
        (
            '[[members]]\nname = "a"\ngradients = "paper"\nattack = { kind = "square" }',
            "'a' has gradients = \"paper\" and an attack that takes none",
        ),
        ("[[members]", "mine.toml"),
        ('[[members]]\nname = "a"\nsteps = 1\nattack = { kind = "fgsm" }', r"members\[0\].steps"),
    ],
)
def test_what_is_wrong_with_a_file_is_named_with_its_place(text, message, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(AttackError, match=message) as caught:
        suite_of(str(path))
    assert "mine.toml" in str(caught.value)


@pytest.mark.parametrize("name", ["papr", "nothing/here.toml", "paper.txt"])
def test_a_suite_that_is_not_there_names_those_that_are(name):
    with pytest.raises(AttackError, match=r"no suite .*; there are .*paper, quick, rsc, or a TOML file"):
        suite_of(name)
