"""A recipe: the typed configuration of a run, read from TOML; every key is known and checked."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from spikeport.export.errors import RecipeError
from spikeport.export.three_counts import VERIFY
from spikeport.hardware_profiles.tables import read_table
from spikeport.toolchain.nn.architectures.architecture import Count
from spikeport.toolchain.nn.architectures.sew_resnet import SewResNet
from spikeport.toolchain.nn.architectures.vgg import Vgg
from spikeport.toolchain.nn.architectures.wide_resnet import WideResNet

RECIPE_DIR = Path(__file__).parent / "recipes"
Epochs = Annotated[int, Meta(ge=0, le=100_000)]
Positive = Annotated[float, Meta(gt=0, le=1e6)]
NotNegative = Annotated[float, Meta(ge=0, le=1e6)]
Share = Annotated[float, Meta(ge=0, lt=1)]
Levels = Annotated[float, Meta(ge=0, le=255)]
"""An epsilon in pixel levels: 8 means 8/255."""


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the recipe."""


class Data(_Table, frozen=True, kw_only=True):
    """Which images."""

    name: Literal["digits"] = "digits"


class Training(_Table, frozen=True, kw_only=True):
    """What all training loops share; ``epsilon`` in pixel levels, ``shift`` in pixels of random crop."""

    epochs: Epochs
    learning_rate: Positive
    epsilon: Levels
    batch_size: Annotated[int, Meta(ge=2, le=100_000)] = 64
    weight_decay: NotNegative = 1e-4
    shift: Annotated[int, Meta(ge=0, le=1000)] = 0


class Pretrain(Training, frozen=True, kw_only=True):
    """TRADES with PGD in the inner maximisation."""

    attack_steps: Count = 10
    regularization: NotNegative = 2.0


class Prune(_Table, frozen=True, kw_only=True):
    """Uniform sparsity per layer by each of ``methods``; the network of ``use`` goes on."""

    sparsity: Share
    score: Pretrain
    finetune: Pretrain
    methods: tuple[Literal["lwm", "hydra"], ...] = ("lwm", "hydra")
    use: Literal["lwm", "hydra"] = "hydra"


class Convert(_Table, frozen=True, kw_only=True):
    """Algorithm 1."""

    batches: Count = 10
    batch_size: Count = 64
    steps: Count = 100
    percentile: Annotated[float, Meta(gt=0, le=100)] = 99.7
    threshold_scale: Annotated[float, Meta(gt=0, le=1)] = 0.3


class Finetune(Training, frozen=True, kw_only=True):
    """Eq. 8 with RFGSM and Eq. 9."""

    beta: NotNegative = 2.0


class TuneIntegers(Finetune, frozen=True, kw_only=True):
    """Quantization-aware finetuning: Eq. 8 with weights rounded to quantize.weight_bits in every forward pass."""


class Evaluate(_Table, frozen=True, kw_only=True):
    """PGD on held-out images, all of them without ``images``."""

    epsilon: Levels = 8
    attack_steps: Count = 10
    images: Count | None = None
    executors: tuple[str, ...] = ("lava", "onnx", "nir")


class Quantize(_Table, frozen=True, kw_only=True):
    """Integer weights; scales from training images (`spikeport.export.scale_search`) or the largest weight.

    ``target``: chips whose formats the integers keep to; Lava's arithmetic without.
    """

    weight_bits: Annotated[int, Meta(ge=2, le=8)] = 8
    calibration_images: Annotated[int, Meta(ge=0, le=10_000_000)] = 0
    target: tuple[str, ...] = ()


class Hardware(_Table, frozen=True, kw_only=True):
    """Profiles to report on, and on how many images operations are counted in all three ways."""

    profiles: tuple[str, ...] = ("loihi1", "loihi2")
    verify: Annotated[int, Meta(ge=0, le=10_000_000)] = VERIFY


class Recipe(_Table, frozen=True, kw_only=True):
    """A whole run.

    ``threads`` is how many threads PyTorch adds with, whatever the machine has: sums in another order round otherwise,
    and training makes another network of the difference.
    """

    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    threads: Annotated[int, Meta(ge=1, le=1024)] = 2
    data: Data = Data()
    network: Vgg | WideResNet | SewResNet
    steps: Count = 8
    pretrain: Pretrain
    prune: Prune
    convert: Convert = Convert()
    finetune: Finetune
    tune_integers: TuneIntegers | None = None
    evaluate: Evaluate = Evaluate()
    quantize: Quantize = Quantize()
    hardware: Hardware = Hardware()


def read_recipe(path: Path) -> Recipe:
    """Read a recipe; `RecipeError` names the file, the table and the key."""
    recipe = read_table(path, Recipe, RecipeError)
    if recipe.prune.use not in recipe.prune.methods:
        raise RecipeError(f"{path}: prune.use is {recipe.prune.use!r}; expected one of prune.methods")
    return recipe


def verifying(recipe: Recipe, images: int) -> Recipe:
    """Return a recipe whose report counts operations in all ways on so many ``images``."""
    if images < 0:
        raise RecipeError(f"{images} images to verify; expected 0 (none) or more")
    return msgspec.structs.replace(recipe, hardware=msgspec.structs.replace(recipe.hardware, verify=images))


def embedded(name: str) -> Recipe:
    """Read a recipe that comes with spikeport."""
    return read_recipe(RECIPE_DIR / f"{name}.toml")
