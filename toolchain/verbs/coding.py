"""How alike codings of the same images are."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spikeport.export.errors import StimulusError
from spikeport.export.files import write_text
from spikeport.export.network import Array
from spikeport.export.numbers import SEEDS, STEPS, whole
from spikeport.export.stimulus import files
from spikeport.toolchain.verbs.sources import AnyPath, names_file

if TYPE_CHECKING:
    from spikeport.toolchain.analysis.similarity import Similarity
    from spikeport.toolchain.nn.encoders.encoder import Encoder

ENCODERS = ("direct", "poisson", "rsc:sigma=0.1", "rsc:sigma=0.3162", "rsc:sigma=0.7071", "phase", "latency")
"""Those of the paper, with variances of 0.01, 0.1 and 0.5, and ours."""


@names_file
def analyze_coding(
    images: AnyPath | Array,
    *,
    encoders: Sequence[str] = ENCODERS,
    steps: int = 8,
    seed: int = 0,
    out: AnyPath | None = None,
) -> "Similarity":
    """Return the mean cosine similarity of every pair of ``encoders`` on images, pixels (N, C, H, W) or a file of them.

    An encoder is a kind of `spikeport.toolchain.nn.encoders`, with its settings behind a colon: 'rsc:sigma=0.3'.
    ``steps``: T. ``seed``: of all that is drawn. ``out``: a folder for similarity.json and similarity.svg. Needs the
    extra [train]. Raises `StimulusError` where an encoder or the images do not suit.
    """
    import torch

    from spikeport.toolchain.analysis.similarity import picture, similarity

    whole(steps, "number of steps", STEPS, error=StimulusError)
    whole(seed, "seed", SEEDS, error=StimulusError)
    chosen = {name: _encoder(name) for name in encoders}
    found = similarity(chosen, torch.from_numpy(_pixels(images)), steps, seed=seed)
    if out is not None:
        write_text(Path(out) / "similarity.json", json.dumps(found.to_dict(), indent=1) + "\n")
        write_text(Path(out) / "similarity.svg", picture(found))
    return found


def _encoder(text: str) -> "Encoder":
    """Return the encoder of a text such as 'poisson' or 'rsc:sigma=0.3,variant=II'."""
    from spikeport.toolchain.nn.encoders.encoder import Encoder
    from spikeport.toolchain.tables import MISSING, Faults, converted, faulty

    kind, _, rest = text.partition(":")
    table: dict[str, Any] = {"kind": kind}
    for part in filter(None, rest.split(",")):
        key, _, value = part.partition("=")
        table[key] = _value(value)
    faults: Faults = []
    found = converted(table, Encoder, "", faults)
    if found is MISSING or faults:
        raise StimulusError(str(faulty(f"encoder {text!r}", faults)))
    made: Encoder = found
    return made


def _value(text: str) -> float | int | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _pixels(images: AnyPath | Array) -> Array:
    """Return images as pixels in [0, 1], in single precision."""
    from_file = isinstance(images, Path | str)
    values = files.read(Path(images)).samples if from_file else np.asarray(images)  # type: ignore[arg-type]
    if not isinstance(values, np.ndarray) or values.ndim != 4:
        raise StimulusError(f"{f'{images}: ' if from_file else ''}expected images (N, C, H, W)")
    return np.asarray(values / 255 if values.dtype.kind in "iu" else values, np.float32)
