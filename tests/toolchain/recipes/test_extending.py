"""A new file of each kind, dropped in a folder, is used from a recipe; no other file is edited."""

import json
import sys
from pathlib import Path

import pytest

import spikeport
from spikeport.export.errors import RecipeError
from spikeport.toolchain.choices import kinds
from spikeport.toolchain.recipes.extending import FOLDERS, extended
from spikeport.toolchain.recipes.reader import read_recipe
from spikeport.toolchain.stages import records
from spikeport.toolchain.verbs.recipes import RunSettings

FILES = {
    "objectives/squares.py": '''
"""Squared error."""
import torch
from torch.nn import functional
from spikeport.toolchain.objectives.objective import Loss, Objective

class Squares(Objective, frozen=True, kw_only=True, tag="squares"):
    """The squared distance from one-hot labels."""
    weight: float = 1.0

    def __call__(self, model, images, labels, *, generator):
        logits = model(images)
        wanted = functional.one_hot(labels, logits.shape[1]).to(logits)
        return Loss(total=self.weight * (logits - wanted).square().mean(), logits=logits)
''',
    "attacks/darker.py": '''
"""Darker images."""
from spikeport.toolchain.attacks.attack import Attack

class Darker(Attack, frozen=True, kw_only=True, tag="darker"):
    """Every pixel as dark as the ball allows."""

    def search(self, ascend, images, *, epsilon, generator):
        return (images - epsilon).clamp(min=0)
''',
    "pruning/first.py": '''
"""The first weights."""
import torch
from spikeport.toolchain.pruning.pruner import Pruner

class First(Pruner, frozen=True, kw_only=True, tag="first"):
    """Keep the first weights of every layer."""

    def masks(self, model, sparsity, learn, **_):
        masks = {}
        for name, synapses in model.synapses().items():
            weight = synapses.weight.detach()
            mask = torch.zeros(weight.numel())
            mask[: round((1 - sparsity) * weight.numel())] = 1
            masks[name] = mask.view(weight.shape)
        return masks
''',
    "surrogates/box.py": '''
"""A box."""
from spikeport.toolchain.nn.surrogates.surrogate import Surrogate

class Box(Surrogate, frozen=True, kw_only=True, tag="box"):
    """One within half a unit of the threshold."""

    def slope(self, distance):
        return (distance.abs() < 0.5).to(distance.dtype)
''',
    "encoders/flipped.py": '''
"""Inverted pixels."""
from spikeport.toolchain.nn.encoders.encoder import Encoder

class Flipped(Encoder, frozen=True, kw_only=True, tag="flipped"):
    """Black is white."""

    def __call__(self, images, steps, *, generator=None):
        return 1 - images[None]
''',
    "data/stripes.py": '''
"""Stripes."""
import numpy as np
from spikeport.toolchain.data.dataset import DataSource, Dataset, Split

class Stripes(DataSource, frozen=True, kw_only=True, tag="stripes"):
    """Two classes: horizontal and vertical stripes."""

    def load(self, seed):
        rng = np.random.default_rng(seed)
        labels = np.arange(120) % 2
        images = rng.integers(0, 100, (120, 1, 8, 8)).astype(np.uint8)
        images[labels == 0, :, ::2] += 150
        images[labels == 1, :, :, ::2] += 150
        parts = [Split(images=images[a:b], labels=labels[a:b]) for a, b in ((0, 80), (80, 80), (80, 120))]
        names = ("train", "validation", "test")
        return Dataset(name="stripes", classes=2, mean=(0.5,), std=(0.3,), **dict(zip(names, parts)))
''',
    "architectures/one_layer.py": '''
"""One layer."""
from spikeport.toolchain.nn.architectures.architecture import Architecture, readout
from spikeport.toolchain.nn.specification import INPUT, Convolution, Node, Projection

class OneLayer(Architecture, frozen=True, kw_only=True, tag="one_layer"):
    """One convolution before the readout."""

    channels: int

    def nodes(self, images):
        projection = Projection(source=INPUT, synapses=Convolution(channels=self.channels), norm=True)
        return [Node(name="only", projections=(projection,)), readout("only", images.classes, 2)]
''',
    "stages/look.py": '''
"""Count parameters."""
from spikeport.toolchain import checkpoint
from spikeport.toolchain.stages.stage import Result, Stage, needs

class Look(Stage, frozen=True, kw_only=True, tag="look"):
    """Counts the weights of the model."""

    def outline(self, available):
        needs(available, "model", "a stage 'train'")
        return {}

    def run(self, run, source):
        model = checkpoint.read_ann(source["model"])
        return Result(metrics={"weights": sum(each.weight.numel() for each in model.synapses().values())})
''',
}
RECIPE = """
version = 2
data = { kind = "stripes" }
network = { kind = "one_layer", channels = 3 }
spiking = { steps = 2, surrogate = { kind = "box" }, encoder = { kind = "flipped" } }
evaluate = { epsilon = 16, attack = { kind = "darker" } }
[[stages]]
stage = "train"
name = "dense"
training = { epochs = 12, learning_rate = 0.02, batch_size = 10 }
objective = { kind = "squares", weight = 3.0 }
[[stages]]
stage = "prune"
name = "first"
sparsity = 0.5
pruner = { kind = "first" }
[[stages]]
stage = "look"
name = "look"
"""


def written(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text.lstrip("\n"))
    return folder


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return path


def test_there_is_a_file_of_every_kind():
    assert {name.partition("/")[0] for name in FILES} == set(FOLDERS)


def test_files_of_every_kind_are_used_from_a_recipe(recipe, tmp_path):
    mine = written(tmp_path / "mine", FILES)
    done = spikeport.run(recipe, tmp_path / "run", settings=RunSettings(extend=[mine], device="cpu"))
    assert done.ran == ("dense", "first", "look")
    assert done.metrics["dense"]["clean"] > 0.9
    assert done.metrics["first"]["sparsity"] == pytest.approx(0.5, abs=0.02)
    assert done.metrics["look"]["weights"] == 3 * 9 + 2 * 3 * 16
    settings = records.read(tmp_path / "run" / "dense").settings
    assert (settings["objective"]["weight"], settings["evaluate"]["attack"]["kind"]) == (3.0, "darker")
    recipe_of_run = json.loads((tmp_path / "run" / "run.json").read_text("utf-8"))["recipe"]
    assert recipe_of_run["spiking"]["surrogate"]["kind"] == "box"
    again = spikeport.run(out=tmp_path / "run", resume=True, settings=RunSettings(extend=[mine]))
    assert again.ran == ()
    with pytest.raises(RecipeError, match=rf"the run was started with --extend {mine}: give it again"):
        spikeport.run(out=tmp_path / "run", resume=True)


def test_choices_are_there_only_inside(recipe, tmp_path):
    before = {name: list(kinds(base)) for name, base in FOLDERS.items()}
    with extended([written(tmp_path / "mine", FILES)]):
        assert read_recipe(recipe).stages[2].name == "look"
        for name, base in FOLDERS.items():
            assert len(kinds(base)) == len(before[name]) + 1
    assert {name: list(kinds(base)) for name, base in FOLDERS.items()} == before
    assert not [name for name in sys.modules if name.endswith((".squares", ".one_layer"))]
    with pytest.raises(RecipeError, match=r"data\.kind: 'stripes'; expected .*digits"):
        read_recipe(recipe)


def test_the_next_run_sees_the_file_as_it_is_then(recipe, tmp_path):
    mine = written(tmp_path / "mine", FILES)
    for weight in ("1.0", "2.0"):
        text = FILES["objectives/squares.py"].replace("weight: float = 1.0", f"weight: float = {weight}")
        written(mine, {"objectives/squares.py": text + "\n" * int(float(weight))})
        recipe.write_text(RECIPE.replace(", weight = 3.0", ""))
        with extended([mine]):
            assert read_recipe(recipe).stages[0].objective.weight == float(weight)


GOOD = FILES["objectives/squares.py"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no such folder"),
        ({"README.md": "x"}, "holds no Python file in a subfolder; expected architectures, attacks, "),
        ({"mine.py": GOOD}, r"mine\.py: expected it in a subfolder that says what it adds: architectures, "),
        ({"losses/mine.py": GOOD}, "losses: no folder of choices; expected architectures, "),
        ({"objectives/plain.py": GOOD}, r"plain\.py: there is a 'plain' already"),
        ({"objectives/my-loss.py": GOOD}, "'my-loss' is no name of a Python module"),
        ({"objectives/other.py": GOOD}, "expected one subclass of Objective with tag='other', found the tags: squares"),
        ({"objectives/empty.py": '"""Nothing."""'}, "with tag='empty', found the tags: none"),
        ({"objectives/broken.py": "1 / 0"}, r"broken\.py: ZeroDivisionError: division by zero"),
        ({"objectives/broken.py": "def"}, r"broken\.py: SyntaxError"),
        ({"attacks/squares.py": GOOD}, "expected one subclass of Attack with tag='squares', found the tags: none"),
    ],
)
def test_what_is_no_choice_is_refused_and_leaves_nothing(tmp_path, files, message):
    folder = written(tmp_path / "mine", files)
    before = set(sys.modules)
    with pytest.raises(RecipeError, match=message), extended([folder]):
        pass
    assert not [
        name for name in set(sys.modules) - before if Path(name).suffix in (".mine", ".other", ".broken", ".squares")
    ]
    for base in FOLDERS.values():
        kinds(base)
