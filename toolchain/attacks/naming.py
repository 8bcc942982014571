"""Names of attacks for people."""

from typing import Any

from spikeport.toolchain.choices import tag_of


def attack_name(attack: Any) -> str:
    """Return an attack's name with its number of steps: PGD-10, RFGSM."""
    steps = getattr(attack, "steps", None)
    return tag_of(attack).upper().replace("_", " ") + (f"-{steps}" if steps else "")
