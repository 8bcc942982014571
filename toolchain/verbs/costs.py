"""What a network costs on a chip: operations, placement, energy, the report, and what-if."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spikeport.export.network import Array, FloatNetwork, Network
from spikeport.export.stimulus import InputSettings
from spikeport.export.three_counts import VERIFY
from spikeport.hardware_profiles import counting, load, placement
from spikeport.hardware_profiles import energy as energies
from spikeport.hardware_profiles import what_if as what_ifs
from spikeport.hardware_profiles.counting import OperationCounts
from spikeport.hardware_profiles.energy import EnergyPerImage
from spikeport.hardware_profiles.host import without_first_layer
from spikeport.hardware_profiles.placement import Placement
from spikeport.hardware_profiles.profile import HardwareProfile, load_profile
from spikeport.hardware_profiles.report import build
from spikeport.hardware_profiles.report.result import Report
from spikeport.hardware_profiles.report.write import write
from spikeport.hardware_profiles.what_if import Variations, WhatIf, render
from spikeport.toolchain.verbs.float_networks import float_of
from spikeport.toolchain.verbs.sources import (
    AnyInput,
    AnyPath,
    any_network,
    images_and_labels,
    labels_of,
    names_file,
    prepared,
)

if TYPE_CHECKING:
    from torch import nn


AnyProfile = HardwareProfile | AnyPath
"""A profile, its name, or the path of a .toml file."""
__all__ = ["Variations", "count", "energy", "place", "render", "report", "what_if"]


@names_file
def count(
    network: Network | AnyPath, images: AnyInput, *, reading: InputSettings | None = None, verify: int = VERIFY
) -> OperationCounts:
    """Run ``network`` on ``images`` and count its synaptic operations, per projection and image.

    Counted by Eq. 12 of Schmolli et al., CPAL 2025, in the modes fused, relay and area_ratio
    (`spikeport.hardware_profiles.counting`); on ``verify`` images also in the kernels and event by event. A float
    network is counted as it is, over the synapses of its folded form; a neuron that fires k times in a step counts k
    times. Accumulates from spikes; multiply-accumulates from a graded input apart. ``reading``: the unit of the
    images' numbers, and how events become steps. Raises `StimulusError` for images that do not fit the network.
    """
    loaded = prepared(network, reading)
    return counting.count(loaded, images_and_labels(images, loaded, reading)[0], verify=verify)


@names_file
def place(
    network: Network | AnyPath, profile: AnyProfile, *, strategy: str | None = None, weight_bits: int | None = None
) -> Placement:
    """Place ``network`` on the cores of the chip ``profile``: neurons, axons, registers, and bytes of memory per core.

    ``strategy``: 'unrolled', 'shared' or 'layers'; the one that takes fewest cores, if None. ``weight_bits``: those of
    a float network's weights, 2 to 32 with the sign (8, if None). Raises `PlacementError` with the population, the rule
    that it breaks, by how much, and the way out.
    """
    return placement.place(any_network(network), _profile(profile), strategy, weight_bits=weight_bits)


@names_file
def energy(
    network: Network | AnyPath, images: AnyInput, profile: AnyProfile, *, reading: InputSettings | None = None
) -> EnergyPerImage:
    """Return the joule that a mean image of ``images`` costs ``network`` on the chip ``profile``, part by part.

    A part is None where the profile lacks a constant. ``synaptic_operations`` is Eq. 12: the profile's energy per
    accumulate times the accumulates in mode fused. A profile without cores prices operations only. ``reading``: the
    unit of the images' numbers, and how events become steps. Raises `PlacementError` where the network does not fit.
    """
    loaded, chip = prepared(network, reading), _profile(profile)
    stimulus = images_and_labels(images, loaded, reading)[0]
    counts = counting.count(loaded, stimulus, verify=0)
    if chip.limits is None and chip.layer_cores is None:
        return without_first_layer(loaded, energies.energy(counts, chip))
    placed = placement.place(loaded, chip)
    found = energies.energy(counts, chip, placement=placed, load=load.core_load(loaded, stimulus, placed))
    return without_first_layer(loaded, found)


@names_file
def report(
    network: Network | AnyPath,
    images: AnyInput,
    *,
    profiles: Sequence[AnyProfile] = ("loihi1", "loihi2"),
    relative_to: Network | AnyPath | None = None,
    weight_bits: int | None = None,
    chips: Sequence[AnyProfile] = (),
    out: AnyPath | None = None,
    reading: InputSettings | None = None,
    verify: int = VERIFY,
    name: str | None = None,
    labels: Array | None = None,
    float_network: "FloatNetwork | nn.Module | AnyPath | None" = None,
    rasters: Sequence[int] = (),
) -> Report:
    """Count the operations of ``network`` on ``images``, place it on each of ``profiles``, and price it.

    ``out``: a folder for report.json and report.html. ``relative_to``: a network of the same shape, the dense one for
    instance; its spikes and energy on the same images stand beside. ``reading``: the unit of the images' numbers, and
    how events become steps. A float network is counted as it is and placed with
    ``weight_bits`` a weight (8, if None). ``Report.chips`` says per chip whether the network runs, or which rule fails
    where, by how much, and the way out. The report passes where all ways of counting agree as integers, the registers
    of an integer network are proven, and all of ``chips`` run the network.
    ``verify``: images, evenly from the first to the last, on which operations are counted in all ways; none for 0.
    ``name``: what the report calls the network; the name of its file, if None.
    ``labels`` (N,): those of a .npz file, if None; they give the accuracy. ``float_network``: what the integers were
    made of, an object, or an archive or checkpoint, to compare rates, spikes and potentials layer by layer.
    ``rasters``: numbers of samples whose spikes are drawn. `write_tables` and `write_figures` write what the report
    shows. Raises `ProfileError` for a chip that is unknown and `StimulusError` for images that do not fit the network;
    a chip that the network does not fit is no error, the report says so.
    """
    loaded = prepared(network, reading)
    base = None if relative_to is None else prepared(relative_to, reading)
    beside = None if float_network is None else float_of(float_network, loaded, reading=reading)
    stimulus, known = images_and_labels(images, loaded, reading)
    result = build.report(
        loaded,
        stimulus,
        profiles,
        relative_to=base,
        weight_bits=weight_bits,
        verify=verify,
        chips=chips,
        name=Path(network).name if name is None and isinstance(network, str | Path) else name,
        labels=labels_of(known, labels, len(stimulus), loaded),
        float_network=beside,
        rasters=rasters,
    )
    if out is not None:
        write(result, Path(out))
    return result


@names_file
def what_if(
    network: Network | AnyPath,
    images: AnyInput,
    variations: Variations,
    *,
    reading: InputSettings | None = None,
    labels: Array | None = None,
) -> WhatIf:
    """Return what a trained ``network`` would cost on ``images`` under other ``variations``.

    These are other steps, more zeros, other encodings of the synapses, and other chips.

    Every row is run, counted in every mode and placed with every strategy; smallest weights are cut first and nothing
    is trained again. ``reading``: the unit of the images' numbers, and how events become steps. ``labels`` (N,): those
    of a .npz file, if None; they give the accuracy of every variation. The result is a tuple of rows. Raises
    `ProfileError` for a chip that is unknown and `StimulusError` for images that do not fit the network.
    """
    loaded = prepared(network, reading)
    stimulus, known = images_and_labels(images, loaded, reading)
    truth = labels_of(known, labels, len(stimulus), loaded)
    return WhatIf(what_ifs.what_if(loaded, stimulus, variations, labels=truth))


def _profile(profile: AnyProfile) -> HardwareProfile:
    return profile if isinstance(profile, HardwareProfile) else load_profile(str(profile))
