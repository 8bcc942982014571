"""Trained networks in files: what PyTorch exports, ONNX models, and checkpoints of our own ANNs."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from spikeport.export.errors import FormatError
from spikeport.export.inputs import ending
from spikeport.toolchain import checkpoint
from spikeport.toolchain.importing.builder import build
from spikeport.toolchain.importing.exported_program import from_exported
from spikeport.toolchain.importing.imported import ImportedNetwork, imported
from spikeport.toolchain.importing.levels import check_pixels
from spikeport.toolchain.importing.onnx_model import read_onnx
from spikeport.toolchain.importing.torch_module import Statistics, statistics
from spikeport.toolchain.nn.specification import Shape

PICKLED = (".pt", ".pth")
"""Ends of names of what `torch.save` writes."""
EXPORT = (
    "is what torch.save writes, a pickle, which can run code and is never loaded; load the model in Python, then write "
    "it by two lines: program = torch.export.export(model.eval(), (images[:2],)); torch.export.save(program, '{name}')"
    "; then give that file, or call spikeport.from_torch(model, images[:2])"
)


def read_model(
    path: Path, *, mean: Statistics | None = None, std: Statistics | None = None, shape: Shape | None = None
) -> ImportedNetwork:
    """Return the network of a .pt2, .onnx or .safetensors file.

    The model gets pixels that were normalised, ``(pixels - mean) / std`` (0 and 1 if None); a checkpoint knows its own.
    ``shape`` (C, H, W) of the images fills the axes that an ONNX file leaves open. Raises `FormatError` or
    `ArchiveError` with the file and what is wrong.
    """
    reader = READERS.get(path.suffix.lower())
    if path.suffix.lower() in PICKLED:
        raise FormatError(f"{path}: {EXPORT.format(name=path.with_suffix('.pt2').name)}")
    if reader is None:
        raise FormatError(
            f"{path}: {ending(path)}; expected '.pt2' (torch.export.save), '.onnx', or "
            "'.safetensors' (a checkpoint of a ReLU network)"
        )
    return reader(path, mean, std, shape)


def from_onnx(
    path: Path, *, mean: Statistics | None = None, std: Statistics | None = None, shape: Shape | None = None
) -> ImportedNetwork:
    """Return the network of an ONNX model; see `read_model`."""
    model = read_onnx(path, shape)
    channels = model.input_shape[0]
    try:
        if std is None:
            check_pixels(model.operations)
        built = build(
            model.operations,
            model.output,
            shape=model.input_shape,
            mean=statistics("mean", mean, channels),
            std=statistics("std", std, channels),
            flat=len(model.axes) == 1,
        )
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None
    return imported(replace(built, notes=(*model.notes, *built.notes)))


def _exported(path: Path, mean: Statistics | None, std: Statistics | None, _shape: Shape | None) -> ImportedNetwork:
    return from_exported(path, mean=mean, std=std)


def _onnx(path: Path, mean: Statistics | None, std: Statistics | None, shape: Shape | None) -> ImportedNetwork:
    return from_onnx(path, mean=mean, std=std, shape=shape)


def _checkpoint(path: Path, mean: Statistics | None, std: Statistics | None, _shape: Shape | None) -> ImportedNetwork:
    if mean is not None or std is not None:
        raise FormatError(f"{path}: a checkpoint holds its own mean and standard deviation; leave both out")
    ann = checkpoint.read_ann(path).eval()
    return ImportedNetwork(specification=ann.specification, model=ann, notes=())


READERS: Mapping[str, Callable[[Path, Statistics | None, Statistics | None, Shape | None], ImportedNetwork]] = {
    ".pt2": _exported,
    ".onnx": _onnx,
    ".safetensors": _checkpoint,
}
