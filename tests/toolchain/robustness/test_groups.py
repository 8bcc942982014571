"""A row for every attack: members that differ in their gradient alone are one group."""

import pytest

from spikeport.export.errors import AttackError
from spikeport.toolchain.attacks.ensemble import Member, members_of, paper_gradients, paper_members
from spikeport.toolchain.attacks.fgsm import Fgsm
from spikeport.toolchain.attacks.losses.margin import Margin
from spikeport.toolchain.attacks.pgd import Pgd
from spikeport.toolchain.attacks.rfgsm import Rfgsm
from spikeport.toolchain.attacks.square import Square
from spikeport.toolchain.robustness.groups import for_model, groups, with_queries
from tests.toolchain.networks import ann, snn

SQUARES = [Member(name=f"square {n}", attack=Square(queries=n)) for n in (500, 5000)]


def suite():
    """FGSM and PGD with 19 gradients each, and Square twice."""
    short = [Member(name=f"fgsm {each.name}", attack=each.attack) for each in members_of(Fgsm(), paper_gradients())]
    return [*short, *paper_members(), *SQUARES]


def test_gradients_of_an_attack_are_one_group_in_the_suites_order():
    found = groups(suite())
    assert [group.title for group in found] == [
        "FGSM, 19 gradients",
        "PGD-10, 19 gradients",
        "Square 500 queries",
        "Square 5,000 queries",
    ]
    assert [member for group in found for member in group.members] == suite()
    assert [group.white for group in found] == [True, True, False, False]
    assert len({group.key for group in found}) == 4


def test_attacks_with_one_title_are_told_apart_by_their_settings():
    attacks = [Rfgsm(alpha=0.25), Rfgsm(alpha=0.5), Pgd(objective=Margin()), Pgd()]
    found = groups([Member(name=str(number), attack=attack) for number, attack in enumerate(attacks)])
    assert [group.title for group in found] == ["RFGSM alpha=0.25", "RFGSM alpha=0.5", "PGD-10 margin", "PGD-10"]


def test_other_queries_make_equal_members_one():
    found = with_queries(suite(), 20)
    assert [member.attack for member in found if isinstance(member.attack, Square)] == [Square(queries=20)]
    assert found[:-1] == suite()[:-2]
    assert with_queries(suite(), None) == suite()


def test_queries_for_a_suite_without_black_box_are_refused():
    with pytest.raises(AttackError, match="queries are 20, and no attack of the suite is bounded by queries"):
        with_queries(paper_members(), 20)


def test_a_relu_network_has_one_gradient_and_a_spiking_one_all():
    assert [each.attack for each in for_model(suite(), ann())] == [Fgsm(), Pgd(), *(each.attack for each in SQUARES)]
    assert for_model(suite(), snn()) == suite()
