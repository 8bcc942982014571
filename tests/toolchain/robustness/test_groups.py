"""Rows of a table: members whose names begin alike are one attack with several gradients."""

import pytest

from spikeport.export.errors import AttackError
from spikeport.toolchain.attacks.ensemble import Member, paper_members
from spikeport.toolchain.attacks.fgsm import Fgsm
from spikeport.toolchain.attacks.pgd import Pgd
from spikeport.toolchain.attacks.square import Square
from spikeport.toolchain.robustness.groups import for_model, groups, with_queries
from spikeport.toolchain.robustness.suites import suite_names, suite_of
from tests.toolchain.networks import ann, snn

PAPER = suite_of("paper").members


def test_the_papers_rows_are_those_of_its_tables():
    found = groups(PAPER)
    assert [group.title for group in found] == [
        "FGSM, 19 gradients",
        "PGD-10, 19 gradients",
        "APGD-CE, 19 gradients",
        "APGD-DLR, 19 gradients",
        "RGA",
        "Square 500",
        "Square 1000",
        "Square 5000",
    ]
    assert [member for group in found for member in group.members] == list(PAPER)
    assert [group.white for group in found] == [True] * 5 + [False] * 3


@pytest.mark.parametrize("name", suite_names())
def test_keys_of_every_suite_are_different_names_of_folders(name):
    keys = [group.key for group in groups(suite_of(name).members)]
    assert len(set(keys)) == len(keys)
    assert all(key.replace("-", "").isalnum() and key.islower() for key in keys)


def test_what_needs_a_gradient_and_what_does_not_are_two_rows():
    found = groups([Member(name="strong, a", attack=Pgd()), Member(name="strong, b", attack=Square())])
    assert [(group.title, group.white) for group in found] == [("strong", True), ("strong", False)]


def test_other_queries_make_equal_members_one():
    found = with_queries(PAPER, 20)
    assert found[-1] == Member(name="Square 20", attack=Square(queries=20))
    assert found[:-1] == list(PAPER[:-3])
    assert with_queries(PAPER, None) == list(PAPER)


def test_queries_for_a_suite_without_black_box_are_refused():
    with pytest.raises(AttackError, match="queries are 20, and no attack of the suite is bounded by queries"):
        with_queries(paper_members(), 20)


def test_a_relu_network_has_one_gradient_and_a_spiking_one_all():
    assert [each.name for each in for_model(PAPER, ann())] == [
        "FGSM",
        "PGD-10",
        "APGD-CE",
        "APGD-DLR",
        "Square 500",
        "Square 1000",
        "Square 5000",
    ]
    assert [each.attack for each in for_model(PAPER, ann())][:2] == [Fgsm(), Pgd()]
    assert for_model(PAPER, snn()) == list(PAPER)
