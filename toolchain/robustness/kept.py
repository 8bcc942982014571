"""The folder of a worst case: what the run is, as digests, and a file for every part."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from torch import Tensor, nn

from spikeport.export.errors import AttackError, OutputError
from spikeport.export.files import write_text
from spikeport.toolchain.attacks.ensemble import Member
from spikeport.toolchain.robustness.asked import Asked
from spikeport.toolchain.training.digests import of_tensors, of_value

NAME = "worst_case.json"


def path_of(folder: Path, number: int) -> Path:
    """Return the file of a part."""
    return folder / f"part-{number:05d}.npz"


def claim(folder: Path, run: dict[str, Any]) -> None:
    """Write what the run is into a new ``folder``; `OutputError` where it holds another run's parts."""
    path = folder / NAME
    if not path.is_file():
        if any(folder.glob("part-*.npz")):
            raise OutputError(f"{folder} has parts of a worst case without {NAME}; give another folder")
        write_text(path, json.dumps(run, indent=1) + "\n")
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        before = {}
    other = [name for name, value in run.items() if not isinstance(before, dict) or before.get(name) != value]
    if other:
        raise OutputError(
            f"{folder} holds the worst case of another run (another {', '.join(other)}); give another folder, or "
            "remove it"
        )


def described(
    model: nn.Module, identity: str, members: Sequence[Member], images: Tensor, labels: Tensor, rules: Any
) -> dict[str, Any]:
    """Return digests of all that decides a result, by name."""
    return {
        "model": of_model(model),
        "identity": identity,
        "members": [[member.name, of_value(member.attack), member.expected] for member in members],
        "images": of_tensors({"images": images}),
        "labels": of_tensors({"labels": labels}),
        **rules,
    }


def of_model(model: nn.Module) -> str:
    """Return a digest of a network's type, tensors and settings."""
    settings = [getattr(model, name, None) for name in ("specification", "spiking")]
    texts = [of_value(each) for each in settings if isinstance(each, msgspec.Struct)]
    text = " ".join((type(model).__name__, of_tensors(model.state_dict()), *texts, str(model)))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def check_identity(model: nn.Module, judge: object, identity: str) -> None:
    """Raise `AttackError` where nothing says what a model or judge that is no module is."""
    if not identity and (isinstance(model, Asked) or not (judge is None or isinstance(judge, nn.Module))):
        raise AttackError(
            "parts that are kept must say whose they are: give identity, such as a digest of the network's file, for "
            "a model or judge that is no PyTorch module"
        )
