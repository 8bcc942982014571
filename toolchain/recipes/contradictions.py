"""What settings of a stage contradict: networks that it names and that are not there, networks that it is not for."""

from collections.abc import Collection, Iterator, Mapping

from spikeport.toolchain.attacks.gradients.expectation import Expectation
from spikeport.toolchain.attacks.transfer import Transfer
from spikeport.toolchain.choices import tag_of
from spikeport.toolchain.objectives.tet import Tet
from spikeport.toolchain.stages.inside import models_of, structs_in
from spikeport.toolchain.stages.recipe import Recipe
from spikeport.toolchain.stages.stage import Stage


def contradictions(
    recipe: Recipe, stage: Stage, before: Mapping[str, Collection[str]], model: str | None
) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a stage that makes or is given a ``model`` ('ann', 'snn' or none), by its keys.

    ``before``: what each of the stages before it makes, by name.
    """
    for key, name in models_of(stage):
        if name not in before:
            there = ", ".join(before) or "none: it is the first"
            yield key, f"{name!r} is no stage before it; expected one that makes a model: {there}"
        elif "model" not in before[name]:
            yield key, f"the stage {name!r} makes no model; expected one that trains, prunes or converts"
    for key, struct in structs_in(stage):
        if isinstance(struct, Tet) and model == "ann":
            yield key, 'is of the steps of a spiking network, and the model is an ANN; use plain, or model = "snn"'
    if model is not None and not _is_random(recipe, model):
        for key in _expectations(stage):
            yield key, f"averages over what a network draws (EOT), and {_drawing_nothing(recipe, model)}"


def of_evaluation(recipe: Recipe, models: set[str]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with ``evaluate`` where no model of the recipe draws random numbers."""
    if models and not any(_is_random(recipe, model) for model in models):
        for key in _expectations(recipe.evaluate):
            yield f"evaluate.{key}", f"averages over what a network draws (EOT), and {_drawing_nothing(recipe, 'snn')}"


def _expectations(value: object) -> Iterator[str]:
    """Yield the keys of expectations over draws, but for those on other networks."""
    others = [path for path, struct in structs_in(value) if isinstance(struct, Transfer)]
    for key, struct in structs_in(value):
        if isinstance(struct, Expectation) and not any(key.startswith(f"{path}.") for path in others):
            yield key


def _is_random(recipe: Recipe, model: str) -> bool:
    return model == "snn" and recipe.spiking.encoder.RANDOM


def _drawing_nothing(recipe: Recipe, model: str) -> str:
    if model == "ann":
        return "an ANN draws nothing; use the gradient itself"
    return (
        f"the encoder {tag_of(recipe.spiking.encoder)!r} draws nothing; use the gradient itself, or a random encoder "
        "(poisson, rsc)"
    )
