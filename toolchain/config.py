"""A recipe: the typed configuration of a run, read from TOML; every key is known and checked."""

import re
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import tomllib
from msgspec import Meta

from export.errors import RecipeError

RECIPE_DIR = Path(__file__).parent / "recipes"
Count = Annotated[int, Meta(ge=1)]
Epochs = Annotated[int, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, lt=1)]
Levels = Annotated[float, Meta(ge=0, le=255)]
"""An epsilon in pixel levels: 8 means 8/255."""


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the recipe."""


class Data(_Table, frozen=True, kw_only=True):
    """Which images."""

    name: Literal["digits"] = "digits"


class Network(_Table, frozen=True, kw_only=True):
    """A VGG: channels of its convolutions, 'P' for average pooling, widths of its dense layers; T."""

    plan: tuple[Count | Literal["P"], ...]
    head: tuple[Count, ...]
    steps: Count = 8


class Training(_Table, frozen=True, kw_only=True):
    """What all training loops share; ``epsilon`` in pixel levels, ``shift`` in pixels of random crop."""

    epochs: Epochs
    learning_rate: Positive
    epsilon: Levels
    batch_size: Annotated[int, Meta(ge=2)] = 64
    weight_decay: NotNegative = 1e-4
    shift: Annotated[int, Meta(ge=0)] = 0


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


class Evaluate(_Table, frozen=True, kw_only=True):
    """PGD on held-out images, all of them without ``images``."""

    epsilon: Levels = 8
    attack_steps: Count = 10
    images: Count | None = None
    executors: tuple[str, ...] = ("lava", "onnx", "nir")


class Quantize(_Table, frozen=True, kw_only=True):
    """Integer weights."""

    weight_bits: Annotated[int, Meta(ge=2, le=8)] = 8


class Hardware(_Table, frozen=True, kw_only=True):
    """Profiles to report on."""

    profiles: tuple[str, ...] = ("loihi1", "loihi2")


class Recipe(_Table, frozen=True, kw_only=True):
    """A whole run."""

    seed: int = 0
    data: Data = Data()
    network: Network
    pretrain: Pretrain
    prune: Prune
    convert: Convert = Convert()
    finetune: Finetune
    evaluate: Evaluate = Evaluate()
    quantize: Quantize = Quantize()
    hardware: Hardware = Hardware()


def read_recipe(path: Path) -> Recipe:
    """Read a recipe; `RecipeError` names the file, the table and the key."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such recipe") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{path}: not a TOML file ({error})") from None
    try:
        recipe = msgspec.convert(table, Recipe)
    except msgspec.ValidationError as error:
        raise RecipeError(f"{path}: {_sentence(str(error))}") from None
    if recipe.prune.use not in recipe.prune.methods:
        raise RecipeError(f"{path}: prune.use is {recipe.prune.use!r}; expected one of prune.methods")
    return recipe


def embedded(name: str) -> Recipe:
    """Read a recipe that comes with spikeport."""
    return read_recipe(RECIPE_DIR / f"{name}.toml")


def _sentence(message: str) -> str:
    """Turn msgspec's message into one with the table's name and, for an unknown key, the keys it has."""
    what, _, place = message.partition(" - at `$")
    place = place.rstrip("`").lstrip(".")
    where = f"[{place}] " if place else ""
    unknown = re.match(r"Object contains unknown field `(.*)`", what)
    if unknown:
        table: type[msgspec.Struct] = Recipe
        for key in filter(None, place.split(".")):
            table = next(field.type for field in msgspec.structs.fields(table) if field.name == key)
        keys = ", ".join(field.name for field in msgspec.structs.fields(table))
        return f"{where}has no key {unknown[1]!r}; it takes {keys}"
    missing = re.match(r"Object missing required field `(.*)`", what)
    if missing:
        return f"{where}lacks the key {missing[1]!r}"
    return f"{where}{what[0].lower()}{what[1:]}"
