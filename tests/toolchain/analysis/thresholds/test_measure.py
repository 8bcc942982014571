"""The whole measurement: equal for every batch, honest errors, JSON and tables."""

import json
from functools import cache

import numpy as np
import pytest
import torch

from spikeport.export.errors import AttackError
from spikeport.hardware_profiles.shares import mean, parts
from spikeport.toolchain.analysis.thresholds import measure
from spikeport.toolchain.analysis.thresholds.measure import thresholds
from spikeport.toolchain.analysis.thresholds.settings import Measures
from spikeport.toolchain.attacks.ensemble import Member
from spikeport.toolchain.attacks.fgsm import Fgsm
from spikeport.toolchain.attacks.pgd import Pgd
from spikeport.toolchain.robustness.suites import Suite
from spikeport.toolchain.robustness.worst_case import worst_case
from tests.toolchain.analysis.thresholds.small import images, small

MEASURES = Measures(deltas=(0.1, 0.5), epsilons=(2, 20), steps=2, bits=(8, 3))


def measured(count=6, seed=0):
    pixels, labels = images(count)
    return thresholds(small(), pixels, labels, measures=MEASURES, told={"what": "SNN"}, seed=seed, levels=255)


@cache
def whole():
    return measured()


def test_every_batch_gives_the_same_figures(monkeypatch):
    whole()
    monkeypatch.setattr(measure, "AT_ONCE", 1)
    one_by_one = measured()
    assert json.dumps(one_by_one.to_dict()) == json.dumps(whole().to_dict())


def test_figures_are_in_order():
    found = whole()
    assert [each.name for each in found.layers] == ["conv1", "conv2", "dense1"]
    assert found.whole.neurons == sum(each.neurons for each in found.layers) == 4 * 64 + 6 * 16 + 8
    for each in (*found.layers, found.whole):
        assert 0 <= each.near[0].value <= each.near[1].value <= 1
        assert 0 < each.rate.value < 1
    weighted = sum(each.near[0].value * each.neurons for each in found.layers) / found.whole.neurons
    assert found.whole.near[0].value == pytest.approx(weighted)
    assert [(each.kind, each.epsilon) for each in found.perturbed] == [
        (kind, epsilon) for kind in ("uniform", "sign", "pgd") for epsilon in (2, 20)
    ]
    for small_ball, large in zip(found.perturbed[::2], found.perturbed[1::2], strict=True):
        assert 0 < small_ball.total.value < large.total.value
    assert [each.name for each in found.rounded] == ["float", "8 bits", "3 bits"]
    assert found.rounded[0].certified.steps is None
    assert found.rounded[1].certified.levels == (1, 2, 20)
    kept = [each.value for each in found.rounded[0].certified.neurons]
    assert kept == sorted(kept, reverse=True)
    assert found.rounded[0].certified.first == ("conv1",)


def test_another_seed_moves_images_otherwise():
    assert measured(seed=1).perturbed[0] != whole().perturbed[0]
    assert measured(seed=1).layers == whole().layers


def test_the_robust_accuracy_is_the_worst_case_of_a_suite():
    pixels, labels = images(20)
    members = (Member(name="one", attack=Pgd(steps=1)), Member(name="two", attack=Fgsm()))
    found = thresholds(
        small(), pixels, labels, measures=Measures(epsilons=(20,), steps=1, bits=()), told={"what": "SNN"}, levels=255,
        suite=Suite(name="tiny", title="", members=members),
    )  # fmt: skip
    (robust,) = found.robust
    case = worst_case(small(), members, pixels, labels, epsilon=20 / 255, levels=255)
    assert (robust.suite, robust.epsilon) == ("tiny", 20)
    assert robust.accuracy.value == pytest.approx(case.robust)
    assert "worst case, tiny" in found.text()
    assert whole().robust == ()


def test_tables_say_all_of_it():
    text = whole().text()
    for expected in (
        "within 0.5 V_th",
        "PGD-2",
        "random, signs",
        "20/255",
        "3 bits",
        "without a flip",
        "below which no spike can flip",
    ):
        assert expected in text
    assert "nan" not in text


@pytest.mark.parametrize("count", [0, 1])
def test_errors_need_two_images(count):
    pixels, labels = images(count)
    with pytest.raises(AttackError, match=f"{count} images were given; expected two or more"):
        thresholds(small(), pixels, labels, measures=MEASURES, told={})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"deltas": (0,)}, "delta, in units of the threshold, is 0; expected numbers from 1e-06"),
        ({"deltas": (0.1, -1)}, "delta, in units of the threshold, is -1"),
        ({"deltas": ()}, "0 values of delta were given; expected 1 to 20"),
        ({"deltas": (float("nan"),)}, "delta, in units of the threshold, .*not finite"),
        ({"epsilons": (0,)}, r"epsilon, in pixel levels \(8 is 8/255\), is 0"),
        ({"epsilons": (256,)}, "is 256; expected numbers from 1e-06 to 255"),
        ({"epsilons": (2, 2)}, "the epsilon 2 stands twice"),
        ({"steps": 0}, "steps of PGD is 0; expected one whole number from 1"),
        ({"bits": (9,)}, "number of bits of a weight is 9; expected one whole number from 2 to 8"),
        ({"bits": (1,)}, "number of bits of a weight is 1"),
    ],
)
def test_settings_that_cannot_be_are_named(changes, sentence):
    with pytest.raises(AttackError, match=sentence):
        Measures(**changes)


def test_a_share_has_the_error_of_its_mean_over_images():
    values = np.random.default_rng(0).normal(size=50)
    found = mean(values)
    assert found.error == pytest.approx(float(torch.tensor(values).std()) / 50**0.5)
    each, total = parts({"a": np.array([1, 3]), "b": np.array([0, 10])}, {"a": 4, "b": 16})
    assert (each["a"].value, each["b"].value, total.value) == (0.5, 0.3125, pytest.approx((1 + 13) / 40))
