"""Arguments of the verbs: networks and images as objects, or as the paths of files that hold them."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np

from spikeport.export import archive
from spikeport.export.errors import NetworkError, OutputError, StimulusError
from spikeport.export.network import Array, FloatNetwork, IntegerNetwork, Network
from spikeport.export.stimulus import Stimulus, read, stimulus

AnyPath = Path | str
AnyInput = Stimulus | Array | AnyPath
"""Images: a stimulus, an array (N, *shape) or (N, T, *shape), or the path of a .npz or .npy file."""

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


def check_not_input(out: AnyPath | None, *inputs: object) -> None:
    """Refuse to write over a file that is read."""
    for each in inputs:
        both = out is not None and isinstance(each, Path | str)
        if both and Path(out).is_file() and Path(each).is_file() and Path(out).samefile(each):  # type: ignore[arg-type]
            raise OutputError(f"{out}: is the input {each}, which would be written over; give another name")


def any_network(network: Network | AnyPath) -> Network:
    """Return a network, read from its archive where a path is given."""
    return archive.read(Path(network)) if isinstance(network, Path | str) else network


def integer_network(network: Network | AnyPath) -> IntegerNetwork:
    """Return an integer network, read from its archive where a path is given."""
    if isinstance(network, Path | str):
        return archive.read_integer(Path(network))
    if not isinstance(network, IntegerNetwork):
        raise NetworkError(f"a {type(network).__name__} was given; expected an IntegerNetwork: quantize it first")
    return network


def float_network(network: Network | AnyPath) -> FloatNetwork:
    """Return a float network, read from its archive where a path is given."""
    if isinstance(network, Path | str):
        return archive.read_float(Path(network))
    if not isinstance(network, FloatNetwork):
        raise NetworkError(f"a {type(network).__name__} was given; expected a FloatNetwork")
    return network


def images_and_labels(images: AnyInput, network: Network) -> tuple[Stimulus, Array | None]:
    """Return the images as a stimulus of ``network``, and the labels of a file that has them."""
    if isinstance(images, Path | str):
        return read(Path(images), network)
    if not isinstance(images, Stimulus):
        return stimulus(np.asarray(images), network), None
    shapes = (network.source.shape, (network.steps, *network.source.shape))
    if images.steps != network.steps or images.values.shape[1:] != shapes[0 if images.held else 1]:
        raise StimulusError(
            f"the stimulus has {images.steps} steps of shape {images.values.shape[1:]}; the network takes "
            f"{network.steps} steps of {shapes[0]}: make it with spikeport.stimulus(values, network)"
        )
    return images, None
