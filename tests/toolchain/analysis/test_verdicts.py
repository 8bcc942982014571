"""When a check fails, passes, or cannot be decided, and what it says."""

import pytest

from spikeport.toolchain.analysis.excess import Excess
from spikeport.toolchain.analysis.verdicts import MEANINGS, Check, Side


def check(first, second, images, *, pairs=1, name="black_box"):
    return Check(
        name=name,
        weaker=Side(name="Square with 500 queries", robust=0.208),
        stronger=Side(name="PGD-10", robust=0.794),
        excess=Excess(first_alone=first, second_alone=second, images=images, pairs=pairs),
    )


@pytest.mark.parametrize(
    ("first", "second", "images", "pairs", "verdict"),
    [
        (0, 0, 500, 1, "pass"),
        (0, 300, 500, 1, "pass"),
        (6, 0, 500, 1, "pass"),  # 1.2 points, within chance
        (7, 0, 500, 1, "fail"),  # the exact sign test gives 0.8 %
        (7, 0, 500, 2, "pass"),  # the larger of two
        (9, 0, 1000, 1, "pass"),  # beyond chance, and below a point
        (45, 40, 500, 1, "undecided"),  # 5 points are possible
        (0, 0, 63, 1, "undecided"),
        (0, 0, 64, 1, "pass"),
        (6, 0, 60, 1, "undecided"),  # 10 points, and yet within chance
        (7, 0, 60, 1, "fail"),
        (1, 0, 1, 1, "undecided"),
    ],
)
def test_verdict_of_images_that_one_attack_alone_breaks(first, second, images, pairs, verdict):
    assert check(first, second, images, pairs=pairs).verdict == verdict


def test_a_sentence_has_the_figures_then_the_verdict_then_what_it_means():
    assert check(293, 0, 500).sentence == (
        "robust accuracy 20.8 % under Square with 500 queries, 79.4 % under PGD-10, +58.6 ± 2.2 points of 500 images; "
        f"fails: {MEANINGS['black_box']}"
    )
    assert check(0, 10, 500).sentence.endswith("points of 500 images; passes: no sign of masked gradients")


def test_where_images_are_too_few_the_sentence_says_how_many_tell():
    assert check(1, 0, 30).sentence.endswith(
        "+3.3 ± 3.3 points of 30 images; undecided: from -9.4 to 15.7 points are possible, about 430 images tell"
    )
    assert "points of 1 image; undecided" in check(0, 0, 1).sentence


@pytest.mark.parametrize("name", MEANINGS)
def test_every_check_says_what_its_failure_means(name):
    found = check(100, 0, 500, name=name)
    assert found.sentence.endswith(f"fails: {MEANINGS[name]}")
    assert found.title == name.replace("_", " ")
