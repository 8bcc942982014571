"""Arrays, event lists and files -> a `Stimulus` of a network."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from spikeport.export.errors import SpikeportError, StimulusError
from spikeport.export.network import Array, Network
from spikeport.export.numbers import SEEDS, Range, whole
from spikeport.export.stimulus import files
from spikeport.export.stimulus.coding import coded, coding_of
from spikeport.export.stimulus.content import Content, Sample
from spikeport.export.stimulus.content import sample as sample_of
from spikeport.export.stimulus.definition import LARGEST_IMAGES, Intake, Stimulus
from spikeport.export.stimulus.encoding import encoded
from spikeport.export.stimulus.events import Events, Frames, framed
from spikeport.export.stimulus.labels import one_per_sample
from spikeport.export.stimulus.settings import InputSettings

SAMPLES = Range(least=1, most=10**7)


def stimulus(
    values: Array | Sequence[Array] | Path | str,
    network: Network | Intake,
    *,
    lengths: Array | None = None,
    settings: InputSettings | None = None,
) -> Stimulus:
    """Check ``values`` against the source of ``network`` and return them as a stimulus.

    ``values``: shape (N, *shape) to be held over the steps, or (N, steps, *shape), for signals also (N, C, L) or (N,
    steps, C, L) where the source is (C, 1, L); an event list, a structured array
    with the fields x, y, t (us) and p; a sequence of arrays or event lists, one for each sample; or the path of a file
    or folder that holds them. Integers are spikes, counts or levels, real numbers are encoded to the nearest level; a
    float network takes real numbers as they are (docs/input.md has the table). ``lengths`` (N,): the steps of each
    sample, where they differ; a sample that has ended neither fires nor is counted. ``settings``: the unit of the
    numbers, and how events become steps. Raises `StimulusError` with the sample that does not fit.
    """
    if isinstance(values, Path | str):
        return read(Path(values), network, settings=settings)[0]
    if isinstance(values, np.ndarray):
        samples = sample_of(values)
    else:
        parts = [each for item in values for each in _alone(np.asarray(item))]
        samples = parts or np.zeros(0)
    return made(Content(samples=samples, lengths=lengths), _intake(network), settings or InputSettings())


def read(
    path: Path, network: Network | Intake, *, settings: InputSettings | None = None
) -> tuple[Stimulus, Array | None]:
    """Read samples, and labels (N,) where there are any, from a file or a folder (`export.stimulus.files`)."""
    content = files.read(path)
    try:
        found = made(content, _intake(network), settings or InputSettings())
        return found, None if content.labels is None else one_per_sample(content.labels, len(found))
    except SpikeportError as error:
        raise StimulusError(f"{path}: {error}") from None


def made(content: Content, intake: Intake, settings: InputSettings) -> Stimulus:
    """Return the stimulus that ``content`` gives for a network that takes ``intake``.

    A network that was trained with an encoder takes pixels, which it codes, or what the encoder sends, step by step.
    """
    coding = coding_of(intake, settings)
    if intake.source.coding is not None and _is_timed(content.samples, intake):
        coding = None
    values, notes = _shaped(content, _of_pixels(intake) if coding is not None else intake, settings)
    _check_used(content, settings)
    if coding is not None:
        values, spoken = coded(values, intake, coding, settings.unit)
        notes = (*notes, *spoken)
    held = values.shape[1:] == intake.shape
    lengths = None if content.lengths is None else _lengths(content.lengths, values, intake, held=held)
    if lengths is not None and not held:
        values = _ended(values, lengths, intake.steps)
    notes = (*content.notes, *notes)
    if coding is None:
        done = encoded(values, intake, settings.unit)
        values, notes = done.values, (*notes, *done.notes)
    found = Stimulus(values=values, steps=intake.steps, held=held, lengths=lengths, notes=notes)
    if intake.held:
        found.require_held()
    return found


def _shaped(content: Content, intake: Intake, settings: InputSettings) -> tuple[Array, tuple[str, ...]]:
    """Return samples as one array, (N, *shape) or (N, T, *shape), and what was taken for granted."""
    if not isinstance(content.samples, np.ndarray):
        return _stacked(content.samples, intake, settings)
    values = _with_all_axes(content.samples, intake)
    _check_shape(values, intake, content.lengths)
    return values, _mistakable(values, intake)


def _of_pixels(intake: Intake) -> Intake:
    """Return an intake of images, in place of what an encoder makes of them."""
    return replace(intake, shape=intake.pixels, source=replace(intake.source, coding=None))


def _is_timed(samples: Array | list[Sample], intake: Intake) -> bool:
    """Return whether samples are what the source sends, step by step."""
    if isinstance(samples, np.ndarray):
        return samples.shape[1:] == intake.timed
    return all(isinstance(each, Events) or each.shape == intake.timed for each in samples)


def random_stimulus(network: Network, samples: int, seed: int, *, settings: InputSettings | None = None) -> Stimulus:
    """Return uniform random levels for ``samples`` samples; with an encoder, what it makes of random pixels."""
    whole(samples, "number of random samples", SAMPLES, error=StimulusError)
    whole(seed, "seed", SEEDS, error=StimulusError)
    intake = Intake.of(network)
    shape = (samples, *intake.shape)
    if math.prod(shape) * 8 > LARGEST_IMAGES:
        raise StimulusError(f"{samples:,} random samples of shape {shape[1:]} take more than {LARGEST_IMAGES:,} bytes")
    generator = np.random.default_rng(seed)
    if intake.source.coding is not None or (settings is not None and settings.encoder() is not None):
        pixels = generator.random((samples, *intake.pixels))
        return stimulus(pixels, network, settings=None if settings is None else replace(settings, unit=None))
    return stimulus(generator.integers(0, intake.source.levels + 1, shape), network)


def _signal(values: Array, intake: Intake) -> Array:
    """Return one sample of a signal or of features as `_with_all_axes` does."""
    signal: Array = _with_all_axes(values[None], intake)[0]
    return signal


def _with_all_axes(values: Array, intake: Intake) -> Array:
    """Return signals (..., C, L) and features (..., F) as images (..., C, 1, L) and (..., F, 1, 1) of a network."""
    shape = intake.shape
    if len(shape) != 3 or shape[1] != 1 or values.shape[1:] in (shape, intake.timed):
        return values
    if values.ndim >= 3 and values.shape[-2:] == (shape[0], shape[2]):
        return np.asarray(values[..., None, :])
    if shape[2] == 1 and values.ndim >= 2 and values.shape[-1] == shape[0]:
        return np.asarray(values[..., None, None])
    return values


def _check_used(content: Content, settings: InputSettings) -> None:
    """Refuse to take bins for what is no event list."""
    events = isinstance(content.samples, list) and any(isinstance(each, Events) for each in content.samples)
    if not events and (settings.bin is not None or settings.frames is not None):
        raise StimulusError("bins were asked for (--bin, --frames); the input holds frames, not a list of events")


def _intake(network: Network | Intake) -> Intake:
    return network if isinstance(network, Intake) else Intake.of(network)


def _alone(values: Array) -> list[Sample]:
    """Return one sample of a sequence."""
    found = sample_of(values)
    return [found] if isinstance(found, np.ndarray) else found


def _check_shape(values: Array, intake: Intake, lengths: Array | None) -> None:
    """Refuse another shape than (N, *shape) or (N, T, *shape); with lengths, fewer steps than T will do."""
    shape, timed = intake.shape, intake.timed
    fits = values.shape[1:] in (shape, timed)
    if lengths is not None and values.ndim == 1 + len(timed) and values.shape[2:] == shape:
        fits = 1 <= values.shape[1] <= intake.steps
    if fits and not len(values):
        raise StimulusError(f"the input holds no samples, its shape is {values.shape}")
    if fits:
        return
    hint = ""
    if values.ndim == 1 + len(timed) and values.shape[2:] == shape:
        hint = f": its samples have {values.shape[1]} steps, the network {intake.steps}; --steps of import, quantize "
        hint += "and simulate sets it"
        if values.shape[0] == intake.steps:
            hint = ": its axes are (time, sample); swap them, values.swapaxes(0, 1)"
    hint = hint or _moved(values, shape)
    raise StimulusError(
        f"the input has shape {values.shape}; expected (N, {_join(shape)}), or (N, {_join(timed)}) step by step{hint}"
    )


def _moved(values: Array, shape: tuple[int, ...]) -> str:
    """Return how samples get the axes of the network, where they have the same in another order, or one too few."""
    last = values.shape[-len(shape) :]
    if len(shape) > 1 and values.ndim > len(shape) and last == (*shape[1:], shape[0]):
        return f": its channels come last; move them, numpy.moveaxis(values, -1, {-len(shape)})"
    if shape[0] == 1 and 1 < values.ndim <= 1 + len(shape) and values.shape[1 - len(shape) :] == shape[1:]:
        where = ":, " * (values.ndim + 1 - len(shape))
        return f": its samples have no axis of channels; add it, values[{where}None]"
    if values.ndim == 2 and values.shape[1] in (3, 4):
        return ": a list of events is a structured array with the fields x, y, t and p, or a .npz file of these columns"
    return ""


def _mistakable(values: Array, intake: Intake) -> tuple[str, ...]:
    """Return a note where an array may be one sample step by step instead of T samples."""
    if values.shape[1:] != intake.shape or len(values) != intake.steps or intake.steps == 1:
        return ()
    sentence = (
        f"the input is read as {len(values)} samples, each held over {intake.steps} steps; one sample step by step has "
        f"shape (1, {_join(intake.timed)})"
    )
    return (sentence,)


def _stacked(samples: list[Sample], intake: Intake, settings: InputSettings) -> tuple[Array, tuple[str, ...]]:
    """Return samples of one file each as one array, the shorter ones followed by zeros."""
    if not samples:
        raise StimulusError("the input holds no samples")
    made, frames = [], list[Frames]()
    for number, each in enumerate(samples):
        if isinstance(each, Events):
            frames.append(framed(each, intake, settings, number))
            made.append(frames[-1].counts)
        else:
            made.append(_fitting(_signal(each, intake), intake, number))
    if all(each.shape == intake.shape for each in made):
        return np.stack(made), ()
    if any(each.shape == intake.shape for each in made):
        raise StimulusError("some samples have one frame that is held and others several; expected one of the two")
    kind = np.result_type(*{each.dtype for each in made})
    if len(made) * math.prod(intake.timed) * kind.itemsize > LARGEST_IMAGES:
        raise StimulusError(f"{len(made):,} samples of shape {intake.timed} take more than {LARGEST_IMAGES:,} bytes")
    values = np.zeros((len(made), *intake.timed), kind)
    for row, each in zip(values, made, strict=True):
        row[: len(each)] = each
    return values, (*_padded(made, intake), *_of_events(frames))


def _fitting(values: Array, intake: Intake, number: int) -> Array:
    """Return a sample that is held, or has at most as many steps as the network."""
    if values.ndim == len(intake.timed) + 1 and len(values) == 1:
        values = values[0]
    if values.shape == intake.shape:
        return values
    if values.ndim != len(intake.timed) or values.shape[1:] != intake.shape or not len(values):
        raise StimulusError(
            f"sample {number} has shape {values.shape}; expected ({_join(intake.shape)}), or "
            f"({_join(intake.timed)}) step by step"
        )
    if len(values) > intake.steps:
        raise StimulusError(
            f"sample {number} has {len(values)} steps; the network runs {intake.steps} a sample: import it with "
            f"--steps {len(values)}, or make the samples shorter"
        )
    return values


def _padded(samples: list[Array], intake: Intake) -> tuple[str, ...]:
    short = [len(each) for each in samples if len(each) < intake.steps]
    if not short:
        return ()
    shortest = f"the shortest has {min(short)}"
    return (f"{len(short)} of {len(samples)} samples have fewer than {intake.steps} steps ({shortest}): zeros follow",)


def _of_events(frames: list[Frames]) -> tuple[str, ...]:
    """Return what was left out or put together when events became frames."""
    left_out, merged = sum(each.left_out for each in frames), sum(each.merged for each in frames)
    short = sum(each.short for each in frames)
    notes = [f"{left_out:,} events behind the last whole bin are left out, as tonic's ToFrame does"] * (left_out > 0)
    if short:
        notes.append(
            f"{short} of {len(frames)} recordings last less than one bin, which holds all of their events: timestamps "
            "are read as microseconds"
        )
    return (*notes, *(["the network has one channel: both polarities are added up"] * (merged > 0)))


def _lengths(lengths: Array, values: Array, intake: Intake, *, held: bool) -> Array:
    """Return the steps of each sample, from 1 to those that there are."""
    lengths, most = np.asarray(lengths), intake.steps if held else values.shape[1]
    if lengths.shape != (len(values),) or lengths.dtype.kind not in "iu":
        raise StimulusError(
            f"'lengths' is {lengths.dtype} of shape {lengths.shape}; expected {len(values)} integers, one a sample"
        )
    if lengths.min() < 1 or lengths.max() > most:
        number = int(np.argmax((lengths < 1) | (lengths > most)))
        raise StimulusError(f"sample {number} has length {lengths[number]}; expected 1 to {most} steps")
    fixed = lengths.astype(np.int64)
    fixed.setflags(write=False)
    return fixed


def _ended(values: Array, lengths: Array, steps: int) -> Array:
    """Return samples of ``steps`` steps with zeros after the end of each."""
    full = np.zeros((len(values), steps, *values.shape[2:]), values.dtype)
    for row, each, length in zip(full, values, lengths, strict=True):
        row[:length] = each[:length]
    return full


def _join(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape))
