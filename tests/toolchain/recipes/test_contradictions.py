"""What contradicts is a fault of the recipe, before anything runs, with the key that it stands in."""

import copy

import pytest

from spikeport.export.errors import RecipeError
from spikeport.toolchain.recipes.reader import recipe_of

TRAINING = {"epochs": 1, "learning_rate": 0.1}
EOT = {"kind": "pgd", "gradient": {"kind": "expectation"}}
RECIPE = {
    "version": 2,
    "data": {"kind": "digits"},
    "network": {"kind": "vgg", "plan": [4], "head": []},
    "spiking": {"steps": 8, "encoder": {"kind": "poisson"}},
    "stages": [
        {"stage": "train", "name": "dense", "training": TRAINING},
        {
            "stage": "train", "name": "snn", "model": "snn", "training": TRAINING,
            "objective": {"kind": "e_rsct", "teacher": "dense"},
        },
        {"stage": "attack", "name": "attack", "attack": EOT},
    ],
}  # fmt: skip


def changed(change):
    table = copy.deepcopy(RECIPE)
    change(table)
    return table


def read(change=lambda _: None):
    return recipe_of(changed(change), "recipe")


def test_a_recipe_with_teacher_and_eot_is_read():
    assert read().stages[1].objective.teacher == "dense"
    transfer = {"kind": "transfer", "network": "dense", "attack": {"kind": "fgsm"}}
    assert read(lambda t: t["stages"][2].update(attack=transfer)).stages[2].attack.network == "dense"
    file = {"kind": "transfer", "network": "other.safetensors"}
    assert read(lambda t: t["stages"][2].update(attack=file)).stages[2].attack.network == "other.safetensors"
    inner = {"kind": "transfer", "network": "other.safetensors", "attack": EOT}
    read(lambda t: t["stages"][2].update(attack=inner, **{"from": "dense"}))


def encoder(table, kind, **settings):
    table["spiking"]["encoder"] = {"kind": kind, **settings}


FAULTS = {
    "a teacher that is no stage": (
        lambda t: t["stages"][1]["objective"].update(teacher="dens"),
        r"stages\[1\]\.objective\.teacher: 'dens' is no stage before it; .*: dense",
    ),
    "a teacher that comes later": (
        lambda t: t["stages"][1]["objective"].update(teacher="attack"),
        r"stages\[1\]\.objective\.teacher: 'attack' is no stage before it",
    ),
    "a surrogate that makes no model": (
        lambda t: t["stages"].append(
            {"stage": "attack", "name": "more", "attack": {"kind": "transfer", "network": "attack"}}
        ),
        r"stages\[3\]\.attack\.network: the stage 'attack' makes no model",
    ),
    "TET on an ANN": (
        lambda t: t["stages"][0].update(objective={"kind": "adversarial", "task": {"kind": "tet"}}),
        r"stages\[0\]\.objective\.task: is of the steps of a spiking network, and the model is an ANN",
    ),
    "EOT on a deterministic SNN": (
        lambda t: encoder(t, "phase"),
        r"stages\[2\]\.attack\.gradient: averages over .* \(EOT\), and the encoder 'phase' draws nothing",
    ),
    "EOT on an ANN": (
        lambda t: t["stages"][2].update({"from": "dense"}),
        r"stages\[2\]\.attack\.gradient: averages over .*, and an ANN draws nothing",
    ),
    "EOT in an objective": (
        lambda t: t["stages"][0].update(objective={"kind": "adversarial", "attack": EOT}),
        r"stages\[0\]\.objective\.attack\.gradient: averages over .*, and an ANN draws nothing",
    ),
    "EOT in the evaluation of deterministic networks": (
        lambda t: (encoder(t, "latency"), t.update(evaluate={"attack": EOT}), t["stages"].pop()),
        r"evaluate\.attack\.gradient: averages over .*, and the encoder 'latency' draws nothing",
    ),
    "phase coding with fewer steps than bits": (
        lambda t: (encoder(t, "phase"), t["spiking"].update(steps=4), t["stages"].pop()),
        r"spiking: phase coding sends 8 bits of a pixel one after the other, and T is 4",
    ),
    "no noise": (lambda t: encoder(t, "rsc", sigma=0), r"spiking\.encoder\.sigma: expected `float` > 0\.0, found 0"),
    "negative noise": (lambda t: encoder(t, "rsc", sigma=-0.1), r"sigma: expected `float` > 0\.0, found -0\.1"),
    "noise wider than the pixels": (lambda t: encoder(t, "rsc", sigma=1.5), r"sigma: expected `float` <= 1\.0"),
    "smoothing without its deviation": (lambda t: encoder(t, "rsc"), r"spiking\.encoder\.sigma: is missing"),
    "a negative weight": (
        lambda t: t["stages"][1]["objective"].update(weight=-1),
        r"stages\[1\]\.objective\.weight: expected `float` >= 0\.0, found -1",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_contradictions_are_faults(name):
    change, message = FAULTS[name]
    with pytest.raises(RecipeError, match=message):
        read(change)
