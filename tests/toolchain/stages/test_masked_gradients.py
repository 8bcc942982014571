"""A stage of attack that examines its gradients: what it keeps, what the report and the end of a run say, refusals."""

import json

import pytest

import spikeport
from spikeport.export.errors import RecipeError
from spikeport.toolchain.analysis import result
from tests.toolchain.networks import RECIPE

RUN = (
    RECIPE.split("[[stages]]", maxsplit=1)[0]
    + """
[[stages]]
stage = "train"
name = "dense"
training = { epochs = 1, learning_rate = 0.1 }
objective = { kind = "plain" }
[[stages]]
stage = "attack"
name = "attacked"
ATTACK
epsilon = [8, 16]
images = 30
obfuscation = { iterations = [2, 3], epsilons = [64], queries = 5, samples = 5 }
"""
)
PGD = 'attack = { kind = "pgd", steps = 3 }'


def run(folder, attack=PGD, **changes):
    path, text = folder / "recipe.toml", RUN.replace("ATTACK", attack)
    for before, after in changes.values():
        assert before in text
        text = text.replace(before, after)
    path.write_text(text)
    return spikeport.run(path, folder / "run")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    return run(tmp_path_factory.mktemp("examined"))


def test_every_epsilon_has_its_checks_and_picture_beside_the_attacked_images(done):
    for epsilon in (8, 16):
        folder = done.folder / "attacked" / f"obfuscation-{epsilon}"
        found = result.read(folder / "obfuscation.json")
        assert (found.epsilon, found.images, found.attack) == (epsilon, 30, "PGD-3")
        assert [point.value for point in found.iterations] == [2, 3]
        assert (folder / "obfuscation.svg").read_text(encoding="utf-8").startswith("<svg")


def test_sentences_go_with_the_figure_into_metrics_and_the_end_of_the_run(done):
    for found in done.metrics["attacked"]["epsilons"]:
        path = done.folder / "attacked" / f"obfuscation-{found['epsilon']:g}" / "obfuscation.json"
        examined = result.read(path)
        assert not examined.passed  # 30 images tell nothing
        assert found["gradients"] == examined.summary()
        assert found["warnings"] == list(examined.doubts)
        assert f"warning: attacked: {examined.doubts[0]}" in done.text()
    record = json.loads((done.folder / "attacked" / "record.json").read_text(encoding="utf-8"))
    assert record["settings"]["obfuscation"]["queries"] == 5


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"attack": 'attack = { kind = "square", queries = 5 }'}, "examines gradients, and no attack follows one"),
        ({"epsilon": ("[8, 16]", "[0, 16]")}, "examines attacks within an epsilon above 0"),
        ({"sweep": ("iterations = [2, 3]", "iterations = [3, 3]")}, "expected two different numbers"),
        ({"sweep": ("iterations = [2, 3]", "iterations = [3]")}, "length >= 2"),
        ({"sweep": ("epsilons = [64]", "epsilons = [300]")}, "<= 255"),
    ],
)
def test_what_cannot_be_examined_is_refused_before_the_run(changes, sentence, tmp_path):
    with pytest.raises(RecipeError, match=sentence):
        run(tmp_path, **changes)
    assert not (tmp_path / "run").exists()
