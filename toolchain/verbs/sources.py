"""Arguments of the verbs: networks and images as objects, or as the paths of files that hold them."""

import math
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np

from spikeport.export import archive
from spikeport.export.errors import FormatError, NetworkError, OutputError, SpikeportError, StimulusError
from spikeport.export.files import check_place
from spikeport.export.input_as import taking
from spikeport.export.network import Array, FloatNetwork, IntegerNetwork, Network
from spikeport.export.progress import announce, waiting
from spikeport.export.stimulus import InputSettings, Intake, Stimulus, read, stimulus
from spikeport.export.stimulus.labels import check_classes, one_per_sample

AnyPath = Path | str
AnyInput = Stimulus | Array | Sequence[Array] | AnyPath
"""Images: a stimulus, an array (N, *shape) or (N, T, *shape), event lists, or the path of a file or folder of them."""

IMPORTED = "'spikeport import' (as it is) or 'spikeport quantize' (integers)"
OTHER_FILES = {
    **dict.fromkeys((".nir", ".net"), IMPORTED),
    **dict.fromkeys((".onnx", ".pt2"), "'spikeport convert', of a ReLU network,"),
    **dict.fromkeys(
        (".pt", ".pth"), "torch.export.save(torch.export.export(...)) a .pt2 file, and 'spikeport convert'"
    ),
}
"""How an archive is made of other files, by the ends of their names."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def names_file(verb: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Return ``verb``, whose `MemoryError` has the path of its first argument, if that is one, as a note."""

    @wraps(verb)
    def named(*args: Arguments.args, **options: Arguments.kwargs) -> Result:
        try:
            return verb(*args, **options)
        except MemoryError as error:
            first = args[0] if args else next(iter(options.values()), None)
            if isinstance(first, Path | str) and not hasattr(error, "__notes__"):
                error.add_note(str(first))
            raise

    return named


def check_not_input(out: AnyPath | None, *inputs: object, folder: bool = False) -> None:
    """Refuse to write over a file that is read, or where no file can go; ``folder``: whoever writes sees to that."""
    if out is not None and not folder:
        check_place(Path(out))
    for each in inputs:
        both = out is not None and isinstance(each, Path | str)
        if both and Path(out).is_file() and Path(each).is_file() and Path(out).samefile(each):  # type: ignore[arg-type]
            raise OutputError(f"{out}: is the input {each}, which would be written over; give another name")


def any_network(network: Network | AnyPath) -> Network:
    """Return a network, read from its archive where a path is given."""
    return archive.read(_archive(network)) if isinstance(network, Path | str) else network


def _archive(path: AnyPath) -> Path:
    """Return the path of an archive; say which verb makes one of a file of another kind."""
    way = OTHER_FILES.get(Path(path).suffix.lower())
    if way is not None and Path(path).is_file():
        raise FormatError(f"{path}: expected an archive (.safetensors); {way} makes one of it")
    return Path(path)


def prepared(network: Network | AnyPath, reading: InputSettings | None) -> Network:
    """Return a network, read where a path is given, that takes its input as ``reading`` says."""
    return taking(any_network(network), None if reading is None else reading.input_as)


def integer_network(network: Network | AnyPath) -> IntegerNetwork:
    """Return an integer network, read from its archive where a path is given."""
    if isinstance(network, Path | str):
        return archive.read_integer(_archive(network))
    if not isinstance(network, IntegerNetwork):
        raise NetworkError(f"a {type(network).__name__} was given; expected an IntegerNetwork: quantize it first")
    return network


def float_network(network: Network | AnyPath) -> FloatNetwork:
    """Return a float network, read from its archive where a path is given."""
    if isinstance(network, Path | str):
        return archive.read_float(_archive(network))
    if not isinstance(network, FloatNetwork):
        raise NetworkError(f"a {type(network).__name__} was given; expected a FloatNetwork")
    return network


def images_and_labels(
    images: AnyInput, network: Network | Intake, settings: InputSettings | None = None
) -> tuple[Stimulus, Array | None]:
    """Return the images as a stimulus of ``network``, and the labels of a file that has them.

    ``settings``: the unit of the numbers, and how events become steps. What was taken for granted is said on stderr.
    """
    if isinstance(images, Stimulus):
        return _fitting(images, network if isinstance(network, Intake) else Intake.of(network)), None
    if isinstance(images, Path | str):
        with waiting(f"reading {images}"):
            found, labels = read(Path(images), network, settings=settings)
    else:
        values = images if isinstance(images, list | tuple) else np.asarray(images)
        found, labels = stimulus(values, network, settings=settings), None
    for note in found.notes:
        announce(f"note: {note}")
    return found, labels


def labels_of(
    known: Array | None, given: Array | None, images: Stimulus, network: Network, source: AnyInput
) -> Array | None:
    """Return the labels (N,) of images for ``network``: those ``given``, else those that the file has, if any.

    ``source``: what the images were read from. Raises `StimulusError` where there is not one per image, or where one is
    no class of the network.
    """
    labels = known if given is None else one_per_sample(np.asarray(given), len(images))
    if labels is not None:
        where = f"{source}: " if given is None and isinstance(source, Path | str) else ""
        check_classes(labels, math.prod(network.readout.shape), where)
    return labels


def _fitting(images: Stimulus, intake: Intake) -> Stimulus:
    """Return a stimulus that was made for a network of the same shape and steps, and that holds what this one takes."""
    shape = intake.shape if images.held else intake.timed
    if images.steps != intake.steps or images.values.shape[1:] != shape:
        raise StimulusError(
            f"the stimulus has {images.steps} steps of shape {images.values.shape[1:]}; the network takes "
            f"{intake.steps} steps of {intake.shape}: make it with spikeport.stimulus(values, network)"
        )
    if intake.held:
        images.require_held()
    most = intake.source.levels
    if not intake.real and (images.values.dtype.kind not in "biu" or images.values.max(initial=0) > most):
        raise StimulusError(
            f"the stimulus holds {images.values.dtype} up to {images.values.max():g}; the network takes levels "
            f"0..{most}: make it with spikeport.stimulus(values, network) for this network"
        )
    return images


def need_torch(work: str) -> None:
    """Raise `SpikeportError` where PyTorch is missing, with the extra that brings it; ``work`` is what needs it."""
    try:
        with waiting("loading PyTorch"):
            import torch  # noqa: F401
    except ImportError as error:
        raise SpikeportError(
            f"{work} needs {error.name}, which is not installed: pip install 'spikeport[train]'"
        ) from None


def wrote(out: Path | None) -> list[str]:
    """Return a line for a file or folder that was written; none where nothing was."""
    return [] if out is None else [f"wrote {out} ({size_of(out):,} bytes)"]


def size_of(out: Path) -> int:
    """Return the bytes of a file, or of all files of a folder."""
    return sum(path.stat().st_size for path in (out.rglob("*") if out.is_dir() else [out]) if path.is_file())
