"""What goes into every stage of a list, and what is there after it, without running."""

from collections.abc import Mapping, Sequence

from spikeport.toolchain.stages.stage import Stage


def source_of(stages: Sequence[Stage], index: int) -> str | None:
    """Return the name of the stage whose artefacts go into a stage; None for the first."""
    if stages[index].from_ is not None:
        return stages[index].from_
    return stages[index - 1].name if index else None


def available(stage: Stage, before: Mapping[str, str]) -> dict[str, str]:
    """Return what is there after a stage; `RecipeError` names what it lacks."""
    return {**before, **stage.outline(before)}


def models(stages: Sequence[Stage]) -> dict[str, str]:
    """Return whether the model behind each stage is an 'ann' or 'snn', by its name; stages without one are left out."""
    made: dict[str, dict[str, str]] = {}
    for index, stage in enumerate(stages):
        before = source_of(stages, index)
        made[stage.name] = available(stage, {} if before is None else made[before])
    return {name: there["model"] for name, there in made.items() if "model" in there}
