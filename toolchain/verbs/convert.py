"""Trained ReLU networks of one's own to spiking networks, without training them again."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spikeport.export import archive
from spikeport.export.errors import OutOfRange, StimulusError
from spikeport.export.executors import fast, floating
from spikeport.export.network import Array, FloatNetwork, IntegerNetwork, Source
from spikeport.export.passes import folded
from spikeport.export.stimulus import Intake, Stimulus, files
from spikeport.export.stimulus.labels import check_classes
from spikeport.export.trace import predicted
from spikeport.toolchain.verbs.converted import Accuracy, Converted, ConvertSettings
from spikeport.toolchain.verbs.networks import QuantizeSettings, quantize
from spikeport.toolchain.verbs.quantized import Quantized
from spikeport.toolchain.verbs.sources import (
    AnyInput,
    AnyPath,
    check_not_input,
    images_and_labels,
    names_file,
    need_torch,
)

if TYPE_CHECKING:
    from torch import nn

    from spikeport.toolchain.importing.imported import ImportedNetwork
    from spikeport.toolchain.nn.ann import ANN
    from spikeport.toolchain.nn.specification import Shape, Specification

PIXELS = Source(levels=255, unit=1 / 255)
MOST = 1000
"""Images on which accuracy is measured; the float network runs on them at a cost that follows its weights."""


@names_file
def convert(
    model: "nn.Module | AnyPath",
    calibration: AnyInput,
    *,
    settings: ConvertSettings | None = None,
    held_out: AnyInput | None = None,
    out: AnyPath | None = None,
) -> Converted:
    """Turn a trained ReLU network into a spiking one whose rates code the activations, without training.

    ``model``: a `torch.nn.Module`, a file that `torch.export.save` wrote (.pt2), an ONNX model (.onnx) or a checkpoint
    of a ReLU network (.safetensors). ``calibration``: images whose activations set the thresholds, as pixels: uint8, or
    real numbers in [0, 1], before any mean and std. ``settings``: steps, sparsity, thresholds, normalisation, weight
    bits. ``held_out``: other images for the accuracy; labels come from files. ``out``: an archive to write: of the
    integers with ``weight_bits``, else of the float network. Raises `FormatError` with the place in the model that no
    spiking network holds, `StimulusError` where the images do not fit it.
    """
    need_torch("converting")
    from spikeport.toolchain.rate_coding.choosing import PERCENTILES, SHIFTS, choose
    from spikeport.toolchain.rate_coding.maxima import without_max_pooling

    chosen = settings or ConvertSettings()
    check_not_input(out, model, calibration, held_out)
    network = _network(model, calibration, chosen)
    ann = network.model
    images, labels = _images(calibration, ann, chosen, "calibration")
    measured = (images, labels) if held_out is None else _images(held_out, ann, chosen, "held-out")
    wanted = _classes(ann, measured[0])
    _prune(ann, chosen.sparsity)
    relu = without_max_pooling(ann) if chosen.max_pooling == "relu" else ann
    found = choose(
        relu,
        images.first(chosen.images),
        steps=chosen.steps,
        percentiles=PERCENTILES if chosen.percentile is None else (chosen.percentile,),
        shifts=SHIFTS if chosen.shift is None else (chosen.shift,),
        scale=chosen.threshold_scale,
        reset=chosen.reset,
        weight_bits=chosen.weight_bits,
    )
    source = "calibration images" if held_out is None else "held-out images"
    made = _integers(found.network, chosen.weight_bits)
    integers = None if made is None else made.network
    done = Converted(
        network=found.network,
        integers=integers,
        settings=chosen,
        percentile=found.percentile,
        shift=found.shift,
        error=found.error,
        thresholds=found.thresholds,
        accuracy=_accuracy(wanted, ann if chosen.sparsity else None, found.network, integers, measured, source),
        notes=(*network.notes, *_about_maxima(ann, relu), *found.notes),
        warnings=() if made is None else made.warnings,
        proof="" if made is None else made.proof,
        out=None if out is None else Path(out),
    )
    if out is not None:
        archive.write(integers or found.network, Path(out))
    return done


def _network(model: "nn.Module | AnyPath", calibration: AnyInput, settings: ConvertSettings) -> "ImportedNetwork":
    """Return the ReLU network of a module or a file."""
    from spikeport.toolchain.importing.models import read_model
    from spikeport.toolchain.importing.torch_module import from_torch

    if isinstance(model, Path | str):
        shape = shape_of(calibration) if Path(model).suffix.lower() == ".onnx" else None
        return read_model(Path(model), mean=settings.mean, std=settings.std, shape=shape)
    axes = _axes(calibration)
    if axes is None:
        raise StimulusError("the calibration images have no axes of their own; expected an array (N, C, H, W)")
    example = np.zeros((2, *axes), np.float32)
    return from_torch(model, example, mean=settings.mean, std=settings.std)


def _axes(images: AnyInput) -> tuple[int, ...] | None:
    """Return the axes of one image; None for event lists and samples of different shapes."""
    if isinstance(images, Stimulus):
        return tuple(images.values.shape[1:])
    samples = files.read(Path(images)).samples if isinstance(images, Path | str) else images
    if not isinstance(samples, list | tuple):
        return tuple(np.asarray(samples).shape[1:])
    shapes = {each.shape for each in samples if isinstance(each, np.ndarray)}
    return shapes.pop() if len(shapes) == 1 else None


def shape_of(images: AnyInput) -> "Shape | None":
    """Return (C, H, W) of one image, (C, 1, L) of a signal, (features, 1, 1) of a flat one."""
    axes = _axes(images)
    if axes is None or len(axes) not in (1, 2, 3):
        return None
    return (axes[0], axes[1] if len(axes) == 3 else 1, axes[-1] if len(axes) > 1 else 1)


def _images(images: AnyInput, ann: "ANN", settings: ConvertSettings, what: str) -> tuple[Stimulus, Array | None]:
    """Return images as held levels 0..255, and their labels."""
    specification = ann.specification
    intake = Intake(shape=specification.input_shape, steps=settings.steps, source=PIXELS, real=False)
    try:
        found, labels = images_and_labels(images, intake)
    except OutOfRange as error:
        raise OutOfRange(
            f"{error} (the {what} images are pixels: uint8, or real numbers in [0, 1]; a network that was trained on "
            "normalised images is given its mean and std)"
        ) from None
    if not found.held or found.lengths is not None:
        raise StimulusError(f"the {what} images come step by step; expected one image a sample, (N, C, H, W)")
    _check_labels(labels, specification, what)
    return found, labels


def _check_labels(labels: Array | None, specification: "Specification", what: str) -> None:
    from spikeport.toolchain.nn.specification import READOUT

    outputs = math.prod(specification.shapes()[READOUT])
    try:
        if labels is not None and outputs > 1:
            check_classes(labels, outputs)
    except StimulusError as error:
        raise StimulusError(f"the {what} images: {error}") from None


def _prune(ann: "ANN", sparsity: float) -> None:
    """Set the smallest weights of every layer to zero; those that are zero already count."""
    from spikeport.toolchain.nn.layers import top_mask

    for layer in ann.synapses().values() if sparsity else ():
        weight = (layer.weight * layer.mask).detach().abs()
        layer.mask.mul_(top_mask(weight, max(1, round((1 - sparsity) * weight.numel()))))


def _about_maxima(ann: "ANN", relu: "ANN") -> tuple[str, ...]:
    """Return what max pooling becomes."""
    from spikeport.toolchain.nn.specification import MaxPooling

    pooling = any(isinstance(p.pool(), MaxPooling) for node in ann.specification.nodes for p in node.projections)
    if relu is not ann:
        shapes, before = relu.specification.shapes(), {node.name for node in ann.specification.nodes}
        added = [node for node in relu.neuron_nodes() if node.name not in before]
        count = sum(int(np.prod(shapes[node.name])) for node in added)
        return (f"max pooling is computed by {count:,} neurons in {len(added)} populations of their own",)
    if pooling:
        return ("max pooling takes any spike of a window, more than the largest rate; --max-pooling relu computes it",)
    return ()


def _integers(network: FloatNetwork, weight_bits: int | None) -> Quantized | None:
    return None if weight_bits is None else quantize(network, settings=QuantizeSettings(weight_bits=weight_bits))


def _classes(ann: "ANN", images: Stimulus) -> Array:
    """Return the classes that a ReLU network gives the first images."""
    from spikeport.toolchain.rate_coding.choosing import logits, pixels

    return np.asarray(logits(ann, pixels(images.first(MOST), ann)).argmax(1))


def _accuracy(
    wanted: Array,
    pruned: "ANN | None",
    network: FloatNetwork,
    integers: IntegerNetwork | None,
    measured: tuple[Stimulus, Array | None],
    source: str,
) -> Accuracy:
    """Return what the networks make of the images; ``wanted`` are the classes of the network as it was given."""
    images, labels = measured[0].first(MOST), measured[1]
    if math.prod(network.readout.shape) == 1:
        return Accuracy(
            source=source, images=len(images), ann=None, pruned=None, snn=None, integers=None, agreement=None
        )
    spiking = predicted(folded(network), images, floating.steps)
    whole = None if integers is None else predicted(integers, images, fast.steps)

    def right(classes: Array | None) -> float | None:
        return None if labels is None or classes is None else float((classes == labels[: len(classes)]).mean())

    return Accuracy(
        source=source,
        images=len(images),
        ann=right(wanted),
        pruned=None if pruned is None else right(_classes(pruned, images)),
        snn=right(spiking),
        integers=right(whole),
        agreement=float(((spiking if whole is None else whole) == wanted).mean()),
        snn_agreement=float((spiking == wanted).mean()),
    )
