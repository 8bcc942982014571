"""What an assessment attacks: a float network, a deployed one, or both; and what it refuses before anything runs."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spikeport.export.errors import AttackError
from spikeport.toolchain.attacks.ensemble import Member
from spikeport.toolchain.attacks.inputs import check_mode
from spikeport.toolchain.data.dataset import LEVEL
from spikeport.toolchain.evaluation import SLACK, device_of
from spikeport.toolchain.robustness.asked import as_module, check_model
from spikeport.toolchain.robustness.assessed import DEPLOYED, TRAINED
from spikeport.toolchain.robustness.deployed import Deployed


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """What is attacked: a float ``model`` in evaluation mode, a ``deployed`` network, or both.

    ``networks``: by role, 'float' and 'deployed', ``what`` it is and its ``digest``. ``levels``: pixels are multiples
    of 1/levels, under attack as well; None: any number in [0, 1]. ``advice``: where the float network of a deployed
    one is, if that is known. ``source``: the file of the images with a colon behind it, for messages.
    """

    model: nn.Module | None
    deployed: Deployed | None
    networks: dict[str, dict[str, str]]
    levels: int | None
    advice: str = ""
    source: str = ""

    @property
    def identity(self) -> str:
        """What the deployed network is, for parts that are kept."""
        return self.networks[DEPLOYED]["digest"] if self.deployed is not None else ""


def check(
    subject: Subject, members: Sequence[Member], images: Tensor, labels: Tensor, epsilons: Sequence[float]
) -> None:
    """Raise `AttackError` where an assessment could not run or would say nothing."""
    _check_epsilons(epsilons, subject.levels)
    if not len(images):
        raise AttackError("no images to attack; the input is empty")
    if not members:
        raise AttackError("the suite has no members")
    needing = [member.name for member in members if member.attack.NEEDS_GRADIENT]
    if subject.model is None and needing:
        raise AttackError(
            f"{len(needing)} of {len(members)} attacks of the suite ({needing[0]}, ...) need gradients, and a network "
            f"of an archive has none; give the float network that it was made of (--float MODEL{subject.advice}), or "
            "a suite of attacks that need scores alone (--suite black_box)"
        )
    classes = _classes(subject, images[:1])
    if len(set(classes.values())) > 1:
        raise AttackError(f"the float network has {classes[TRAINED]} classes, the deployed one {classes[DEPLOYED]}")
    wrong = (labels < 0) | (labels >= min(classes.values()))
    if bool(wrong.any()):
        number, most = int(wrong.int().argmax()), min(classes.values()) - 1
        raise AttackError(
            f"{subject.source}image {number} has label {int(labels[number])}; expected labels 0 to {most}, the "
            "network's classes"
        )
    if subject.model is not None:
        check_model(subject.model, members, images[:1].to(device_of(subject.model)), labels)
    if subject.deployed is not None:
        alone = [member for member in members if not member.attack.NEEDS_GRADIENT]
        check_model(as_module(subject.deployed), alone, images[:1], labels)


def _classes(subject: Subject, image: Tensor) -> dict[str, int]:
    """Return the number of classes by role."""
    found = {}
    if subject.model is not None:
        check_mode(subject.model)
        with torch.no_grad():
            found[TRAINED] = int(subject.model(image.to(device_of(subject.model))).shape[-1])
    if subject.deployed is not None:
        found[DEPLOYED] = subject.deployed.classes
    return found


def _check_epsilons(epsilons: Sequence[float], levels: int | None) -> None:
    if not epsilons:
        raise AttackError("no epsilon; expected one or more, in levels of 1/255 (8 means 8/255)")
    if len(set(epsilons)) < len(epsilons):
        raise AttackError(f"an epsilon stands twice in {', '.join(f'{each:g}' for each in epsilons)}")
    for epsilon in epsilons:
        if not 0 <= epsilon <= 1 / LEVEL:
            raise AttackError(f"epsilon is {epsilon:g}; expected 0 to 255, in levels of 1/255 (8 means 8/255)")
        if levels is not None and epsilon and whole_levels(epsilon, levels) < 1:
            raise AttackError(
                f"epsilon is {epsilon:g}/255, and the network's input has {levels} levels, of which one is "
                f"{1 / LEVEL / levels:g}/255: no image within epsilon differs; expected {1 / LEVEL / levels:g} or more "
                "(8 means 8/255)"
            )


def whole_levels(epsilon: float, levels: int) -> int:
    """Return how many whole levels an epsilon holds."""
    return int(epsilon * LEVEL * levels + SLACK)
