"""QTE: Tables 3 and 4 of the paper to two digits, from the command and from the result of an attack."""

import json

import pytest

from spikeport.export.errors import AttackError
from spikeport.toolchain.analysis.trade_off import of_figures, of_result, quantification
from spikeport.toolchain.verbs.trade_off import analyze_trade_off
from tests.toolchain.invoking import invoke

TABLE_3 = {
    "CIFAR-10, VGG-5, ANN": (90.95, 10.89, 0.12, 4.07, 3.64),
    "CIFAR-10, VGG-5, direct": (90.69, 6.19, 0.03, 3.88, 3.63),
    "CIFAR-10, VGG-5, Poisson": (83.18, 31.20, 22.16, 4.58, 4.21),
    "CIFAR-10, VGG-5, RSC-0.1": (80.29, 51.29, 37.28, 5.26, 4.70),
    "CIFAR-10, VGG-5, RSC-0.5": (78.67, 66.61, 58.94, 5.81, 5.50),
    "CIFAR-100, VGG-11, ANN": (72.86, 4.56, 0.13, 3.10, 2.92),
    "CIFAR-100, VGG-11, direct": (72.45, 4.67, 0.22, 3.08, 2.91),
    "CIFAR-100, VGG-11, Poisson": (58.49, 19.46, 15.56, 3.12, 2.96),
    "CIFAR-100, VGG-11, RSC-0.1": (57.05, 32.48, 24.35, 3.58, 3.22),
    "CIFAR-100, VGG-11, RSC-0.2": (55.42, 37.83, 29.69, 3.73, 3.40),
    "CIFAR-100, VGG-11, RSC-0.5": (51.30, 40.81, 33.96, 3.68, 3.41),
    "Tiny-ImageNet, VGG-16, ANN": (60.77, 2.08, 0.00, 2.51, 2.43),
    "Tiny-ImageNet, VGG-16, direct": (57.90, 2.04, 0.01, 2.40, 2.32),
    "Tiny-ImageNet, VGG-16, Poisson": (48.14, 6.79, 2.68, 2.20, 2.03),
    "Tiny-ImageNet, VGG-16, RSC-0.01": (48.33, 7.73, 2.15, 2.24, 2.02),
    "Tiny-ImageNet, VGG-16, RSC-0.1": (47.47, 22.63, 13.75, 2.80, 2.45),
    "ImageNet, ResNet-19, ANN": (67.00, 0.66, 0.00, 2.71, 2.68),
    "ImageNet, ResNet-19, direct": (56.41, 2.57, 0.02, 2.36, 2.26),
    "ImageNet, ResNet-19, Poisson": (40.21, 10.61, 2.68, 2.03, 1.72),
    "ImageNet, ResNet-19, RSC-0.1": (44.25, 17.73, 8.50, 2.48, 2.11),
    "ImageNet, SEW-ResNet-18, direct": (64.40, 4.56, 0.00, 2.76, 2.58),
    "ImageNet, SEW-ResNet-18, Poisson": (52.29, 15.73, 4.70, 2.72, 2.28),
    "ImageNet, SEW-ResNet-18, RSC-0.1": (53.79, 25.86, 7.38, 3.19, 2.45),
}
TABLE_4 = {
    "CIFAR-10, VGG-5, direct": (90.69, 20.75, 3.52, 4.46, 3.77),
    "CIFAR-10, VGG-5, Poisson": (83.18, 43.06, 36.15, 5.05, 4.77),
    "CIFAR-10, VGG-5, RSC-0.1": (80.29, 59.25, 49.55, 5.58, 5.19),
    "CIFAR-100, VGG-11, direct": (72.45, 11.79, 4.08, 3.37, 3.06),
    "CIFAR-100, VGG-11, Poisson": (58.49, 31.03, 27.36, 3.58, 3.43),
    "CIFAR-100, VGG-11, RSC-0.1": (57.05, 41.74, 35.56, 3.95, 3.70),
    "Tiny-ImageNet, VGG-16, direct": (57.90, 14.82, 8.15, 2.91, 2.64),
    "Tiny-ImageNet, VGG-16, Poisson": (48.14, 21.22, 16.73, 2.77, 2.59),
    "Tiny-ImageNet, VGG-16, RSC-0.1": (47.47, 35.06, 29.40, 3.30, 3.07),
    "ImageNet, SEW-ResNet-18, direct": (64.40, 15.75, 11.89, 3.21, 3.05),
    "ImageNet, SEW-ResNet-18, Poisson": (52.29, 16.87, 16.65, 2.77, 2.76),
    "ImageNet, SEW-ResNet-18, RSC-0.1": (53.79, 29.52, 27.91, 3.33, 3.27),
}
"""Clean, FGSM and PGD accuracy in percent, F-QTE and P-QTE, as printed."""
MISPRINTED = {("3", "CIFAR-100, VGG-11, RSC-0.1", "P-QTE"): 3.26}
"""What does not follow from the printed accuracies, with what does; Table 6 prints 3.26 for the same network."""
ROWS = [(number, name, row) for number, rows in (("3", TABLE_3), ("4", TABLE_4)) for name, row in rows.items()]
HALF = 0.005 + 1e-9
"""Half of the last digit."""


@pytest.mark.parametrize(("number", "name", "row"), ROWS, ids=[f"{number}: {name}" for number, name, _ in ROWS])
def test_every_row_of_the_papers_tables_comes_out(number, name, row):
    clean, fgsm, pgd, *printed = row
    found = of_figures(clean, {"FGSM": fgsm, "PGD-7": pgd}, 8).estimates
    assert [each.name for each in found] == ["F-QTE", "P-QTE"]
    for each, expected in zip(found, printed, strict=True):
        right = MISPRINTED.get((number, name, each.name))
        assert (abs(each.qte - expected) <= HALF) == (right is None)
        assert abs(each.qte - (expected if right is None else right)) <= HALF


def test_the_estimate_is_the_area_between_two_strengths():
    assert quantification(90.95, 10.89, epsilon=8) == pytest.approx(4.0736)
    assert quantification(80, 40, epsilon=8, start=4) == pytest.approx(0.04 * 60)
    assert quantification(80, 40, epsilon=4, start=8) == pytest.approx(0.04 * 60)
    assert quantification(80, 40, epsilon=41) == pytest.approx(0.41 * 60)


@pytest.fixture
def result(tmp_path):
    def share(value):
        return {"share": value, "error": 0.01}

    rows = [
        {"title": "FGSM", "network": "float", "way": "white box", "robust": share(0.5)},
        {"title": "PGD-7", "network": "deployed", "way": "transferred", "robust": share(0.25)},
    ]
    at = {"epsilon": 8.0, "rows": rows, "worst_float": share(0.5), "deployed": share(0.2)}
    found = {"clean": {"float": share(0.9), "deployed": share(0.8)}, "epsilons": [at]}
    (tmp_path / "attack.json").write_text(json.dumps(found), encoding="utf-8")
    return tmp_path


def test_estimates_of_an_attacks_result_are_those_of_its_rows(result):
    found = {(each.attack, each.network): each.qte for each in analyze_trade_off(result).estimates}
    assert found == {
        ("FGSM", "float"): pytest.approx(0.08 * 70),
        ("PGD-7, transferred", "deployed"): pytest.approx(0.08 * 52.5),
        ("worst case", "float"): pytest.approx(0.08 * 70),
        ("worst case", "deployed"): pytest.approx(0.08 * 50),
    }


def test_the_command_prints_what_the_function_gives(result, monkeypatch, capsys):
    code, out, _ = invoke(monkeypatch, capsys, "analyze", "trade-off", result)
    assert code == 0
    assert analyze_trade_off(result).text() in out
    code, out, _ = invoke(
        monkeypatch,
        capsys,
        "analyze",
        "trade-off",
        "--clean",
        "90.95",
        "--robust",
        "FGSM=10.89",
        "--robust",
        "PGD=0.12",
    )
    assert code == 0
    assert "4.07  F-QTE" in out
    assert "3.64  P-QTE" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "expected the attack.json of an attack, or both the clean accuracy and those under attack"),
        ({"clean": 80}, "expected the attack.json of an attack, or both"),
        ({"clean": 120, "robust": {"PGD": 1}}, "the clean accuracy in percent"),
        ({"clean": 80, "robust": {"PGD": -1}}, "the robust accuracy in percent"),
        ({"clean": 80, "robust": {}}, "no accuracy under attack"),
        ({"clean": 80, "robust": {"PGD": 1}, "epsilon": 300}, "epsilon in pixel levels"),
    ],
)
def test_figures_that_are_no_accuracies_are_refused(arguments, message):
    with pytest.raises(AttackError, match=message):
        analyze_trade_off(**arguments)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(AttackError, match="cannot be read"):
        of_result(tmp_path / "none.json")
    (tmp_path / "other.json").write_text('{"clean": {}}', encoding="utf-8")
    with pytest.raises(AttackError, match="no result of an attack"):
        of_result(tmp_path / "other.json")
