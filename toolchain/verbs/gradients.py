"""How sparse are the gradients of a trained network, operation by operation, on labelled images."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spikeport.export.errors import AttackError, SpikeportError
from spikeport.export.files import check_place
from spikeport.export.network import Array
from spikeport.toolchain.verbs.sources import AnyInput, AnyPath, names_file

if TYPE_CHECKING:
    from torch import nn

    from spikeport.toolchain.analysis.gradients_result import Gradients


@names_file
def analyze_gradients(
    model: "nn.Module | AnyPath",
    images: AnyInput,
    *,
    labels: Array | None = None,
    count: int | None = None,
    device: str = "auto",
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    out: AnyPath | None = None,
) -> "Gradients":
    """Measure exact zeros and norm of the gradient by the input of every operation (docs/gradients.md).

    ``model``: an ANN or SNN of `spikeport.toolchain.nn`, or a file of one (checkpoint .safetensors, .pt2, .onnx).
    ``images``: pixels (N, C, H, W), or a file of them; ``count``: so many of the first. ``labels`` (N,): those of the
    images' file, if None. ``device``: auto, cpu, cuda or mps. ``mean`` and ``std``: of the training, for .pt2 and .onnx
    files. ``out``: a folder that gets gradients.json and gradients.svg. Needs the extra [train]. Raises `AttackError`
    for an archive, which has no gradients, and `NetworkError` for a network without neurons.
    """
    try:
        from spikeport.toolchain.analysis.gradients import gradients
    except ImportError as error:
        raise SpikeportError(
            f"gradients need {error.name}, which is not installed: pip install 'spikeport[train]'"
        ) from None
    from spikeport.toolchain.analysis.writing import GRADIENTS, write_gradients
    from spikeport.toolchain.verbs.attack_settings import AttackSettings
    from spikeport.toolchain.verbs.attacked import opened

    if out is not None:
        check_place(Path(out) / GRADIENTS)
    way = AttackSettings(images=count, device=device, mean=mean, std=std)
    subject, pixels, truth = opened(model, images, None, labels, way)
    if subject.model is None:
        raise AttackError(
            f"{model}: a network of an archive has no gradients to measure{subject.advice}; give the checkpoint "
            "(.safetensors), .pt2 or .onnx file that it was made of"
        )
    kind = type(subject.model).__name__
    title = f"{kind} {Path(model).name}" if isinstance(model, Path | str) else kind
    found = gradients(subject.model, pixels, truth, title=title)
    if out is not None:
        write_gradients(found, Path(out))
    return found
