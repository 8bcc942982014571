"""The result of an import: specification, ANN with the weights, and what was dropped or guessed."""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import torch

from spikeport.export.shown import Shown
from spikeport.toolchain.importing.builder import Built
from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.nn.specification import Specification


@dataclass(frozen=True, kw_only=True, eq=False)
class ImportedNetwork(Shown):
    """A network of one's own as a ``specification``, and as a ReLU network with its weights.

    ``model`` takes images (N, C, H, W) in [0, 1], which it normalises itself: its logits are those of the user's model
    for ``(images - mean) / std``. It is in evaluation mode. ``notes`` say what was dropped or guessed.
    """

    specification: Specification
    model: ANN
    notes: tuple[str, ...]

    def text(self) -> str:
        """Return the populations, one a line, then the notes."""
        shapes, lines = self.specification.shapes(), []
        for node in self.specification.nodes:
            sources = ", ".join(dict.fromkeys(projection.source for projection in node.projections))
            lines.append(f"{node.name}: {node.kind} {'x'.join(map(str, shapes[node.name]))} from {sources}")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def to_dict(self) -> dict[str, Any]:
        """Return the specification, the number of weights and the notes as plain data."""
        weights = sum(layer.weight.numel() for layer in self.model.synapses().values())
        specification = msgspec.json.decode(msgspec.json.encode(self.specification))
        return {"specification": specification, "weights": weights, "notes": list(self.notes)}


def imported(built: Built) -> ImportedNetwork:
    """Return the network of a specification and its state, in double precision where its weights are."""
    double = any(array.dtype == np.float64 for name, array in built.state.items() if name.endswith("weight"))
    model = ANN(built.specification).to(torch.float64 if double else torch.float32)
    state = {name: torch.from_numpy(np.array(array)) for name, array in built.state.items()}
    missing = model.load_state_dict(state, strict=False).missing_keys
    assert all(name.endswith(("mask", "num_batches_tracked")) for name in missing), missing
    return ImportedNetwork(specification=built.specification, model=model.eval(), notes=built.notes)
