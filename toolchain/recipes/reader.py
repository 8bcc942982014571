"""Reads recipes: TOML to a `Recipe`, with every fault at once, each with the path of its key."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from spikeport.export.errors import RecipeError
from spikeport.hardware_profiles.tables import toml_table
from spikeport.toolchain.recipes.contradictions import contradictions, of_evaluation
from spikeport.toolchain.recipes.overrides import overridden
from spikeport.toolchain.recipes.upgrade import is_old, upgraded
from spikeport.toolchain.stages.outlines import source_of
from spikeport.toolchain.stages.prune import Prune
from spikeport.toolchain.stages.recipe import VERSION, Recipe
from spikeport.toolchain.stages.stage import Stage
from spikeport.toolchain.stages.train import Train
from spikeport.toolchain.tables import Faults, converted, cut, faulty, nearest

RECIPE_DIR = Path(__file__).parent

__all__ = [
    "RECIPE_DIR",
    "Recipe",
    "checked",
    "embedded",
    "embedded_names",
    "found",
    "none_given",
    "plain",
    "read_recipe",
]


def read_recipe(path: Path, settings: Sequence[str] = ()) -> Recipe:
    """Read a recipe with ``settings`` ('key.path=value') in place of its own.

    `RecipeError` names the file and every fault.
    """
    return recipe_of(read_table(path, settings)[0], str(path))


def read_table(
    path: Path, settings: Sequence[str] = (), *, verify: int | None = None
) -> tuple[dict[str, Any], str | None]:
    """Return the table of a recipe's file with other values in it, and a remark where its form was an older one.

    ``verify`` goes into every report. Raises `RecipeError` where the file is no TOML, or a key of ``settings`` is none.
    """
    table = toml_table(path, RecipeError)
    remark = None
    if is_old(table):
        table = upgraded(table, path)
        remark = (
            f"{path}: a recipe of the first form, read as version {VERSION}; "
            f"spikeport run {path} --dry-run --write NEW.toml writes it anew"
        )
    table = overridden(table, settings)
    stages = table.get("stages")
    for stage in stages if verify is not None and isinstance(stages, list) else ():
        if isinstance(stage, dict) and stage.get("stage") == "report":
            stage["verify"] = verify
    return table, remark


def recipe_of(table: Mapping[str, Any], where: str) -> Recipe:
    """Return the recipe of a table of version 2; `RecipeError` names ``where`` and every fault."""
    faults: Faults = []
    version = table.get("version")
    if version is None:
        faults.append(("version", f"is missing; expected version = {VERSION}"))
    elif version != VERSION or isinstance(version, bool):
        raise RecipeError(f"{where}: version is {cut(version)}; expected {VERSION}, which this spikeport reads")
    recipe = converted(table, Recipe, "", faults)
    if isinstance(recipe, Recipe):
        faults += checked(recipe)
    if faults:
        raise faulty(where, faults)
    assert isinstance(recipe, Recipe)
    return recipe


def plain(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe's table, which `recipe_of` reads."""
    table: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(recipe))
    return table


def checked(recipe: Recipe) -> Faults:
    """Return what does not fit together: names of stages, what goes into them, executors, chips."""
    faults, names = _names(recipe.stages), [stage.name for stage in recipe.stages]
    for index, stage in enumerate(recipe.stages):
        faults += [(f"stages[{index}].{key}", text) for key, text in stage.faults()]
        if stage.from_ is not None and stage.from_ not in names[:index]:
            before = ", ".join(names[:index]) or "none: it is the first"
            where = "comes later" if stage.from_ in names else "is no stage"
            faults.append((f"stages[{index}].from", f"{stage.from_!r} {where}; stages before it: {before}"))
    if faults:
        return faults
    faults, made = _outlines(recipe)
    return faults or _unused_noise(recipe, made)


def _unused_noise(recipe: Recipe, made: Mapping[str, Mapping[str, str]]) -> Faults:
    """Refuse noise that nothing draws: neurons have it while they are trained, and every executor is deterministic."""
    trained = [each for each in recipe.stages if isinstance(each, Train | Prune) and each.training is not None]
    if not recipe.spiking.noise or any(made[stage.name].get("model") == "snn" for stage in trained):
        return []
    text = (
        f"is {recipe.spiking.noise:g}, and no stage trains a spiking network: neurons are noisy in training alone, "
        "evaluation and executors are deterministic; set 0, or add a stage 'train' of an SNN"
    )
    return [("spiking.noise", text)]


def _names(stages: Sequence[Stage]) -> Faults:
    names = [stage.name for stage in stages]
    return [
        (f"stages[{index}].name", f"{name!r} is the name of stages[{names.index(name)}], too; expected another")
        for index, name in enumerate(names)
        if name in names[:index]
    ]


def _outlines(recipe: Recipe) -> tuple[Faults, dict[str, Mapping[str, str]]]:
    """Return the stages that lack an input, or contradict what goes in, and what is there after each.

    Nothing behind one that lacks an input is examined.
    """
    faults: Faults = []
    made: dict[str, Mapping[str, str]] = {}
    own: dict[str, Mapping[str, str]] = {}
    for index, stage in enumerate(recipe.stages):
        before = source_of(recipe.stages, index)
        if before is not None and before not in made:
            continue
        there = {} if before is None else made[before]
        try:
            outline = stage.outline(there)
        except RecipeError as error:
            faults.append((f"stages[{index}]", f"{stage.name!r} {error}"))
            continue
        made[stage.name] = {**there, **outline}
        wrong = contradictions(recipe, stage, own, made[stage.name].get("model"))
        faults += [(f"stages[{index}].{key}", text) for key, text in wrong]
        own[stage.name] = outline
    kinds = {each["model"] for each in made.values() if "model" in each}
    return [*faults, *of_evaluation(recipe, kinds)], made


def embedded_names() -> list[str]:
    """Return the names of the recipes that come with spikeport."""
    return sorted(path.stem for path in RECIPE_DIR.glob("*.toml"))


def embedded(name: str) -> Recipe:
    """Read a recipe that comes with spikeport."""
    return read_recipe(RECIPE_DIR / f"{name}.toml")


def none_given() -> RecipeError:
    """Return the error that lists the recipes that come along, each with its first line."""
    lines = []
    for name in embedded_names():
        first = (RECIPE_DIR / f"{name}.toml").read_text(encoding="utf-8").partition("\n")[0]
        lines.append(f"{name}: {first.lstrip('# ')}")
    return RecipeError(
        "no recipe is given; expected a .toml file, --resume, or the name of one that comes along", lines
    )


def found(recipe: str | Path) -> Path:
    """Return the file of a recipe: a path, or the name of one that comes with spikeport."""
    path = Path(recipe)
    if path.suffix == ".toml" or path.is_file() or path.name != str(recipe):
        return path
    if str(recipe) in embedded_names():
        return RECIPE_DIR / f"{recipe}.toml"
    names = embedded_names()
    raise RecipeError(
        f"no recipe {cut(recipe)!r}; expected a .toml file or {', '.join(names)}{nearest(str(recipe), names)}"
    )
