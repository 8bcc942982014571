"""The float network that integers were made of, as an object or from a file: to compare both layer by layer."""

from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikeport.export import archive
from spikeport.export.errors import ArchiveError, FormatError, NetworkError
from spikeport.export.input_as import taking
from spikeport.export.inputs import ending
from spikeport.export.network import FloatNetwork, Network
from spikeport.export.stimulus import InputSettings, Intake
from spikeport.export.stimulus.settings import BIAS
from spikeport.toolchain.verbs.sources import AnyPath, need_torch

if TYPE_CHECKING:
    from torch import nn

ANYTHING = "FloatNetwork, or the file of one: an archive or checkpoint of a spiking network (.safetensors)"


def float_of(
    given: "FloatNetwork | nn.Module | AnyPath", network: Network, reading: InputSettings | None = None
) -> FloatNetwork:
    """Return the float network ``given``, which takes its input as the integers ``network`` do.

    A checkpoint, or an SNN of `spikeport.toolchain.nn`, is lowered, which needs the extra [train]. Raises
    `NetworkError` or `FormatError` for a ReLU network, which has no spikes, and for a NIR file, which has to be
    imported first.
    """
    if isinstance(given, Path | str):
        found = _from_file(Path(given), network)
    else:
        found = given if isinstance(given, FloatNetwork) else _lowered(deepcopy(given), network)
    as_spikes = None if reading is None or reading.input_as == BIAS else reading.input_as
    made = taking(found, as_spikes)
    assert isinstance(made, FloatNetwork)
    return made


def _from_file(path: Path, network: Network) -> FloatNetwork:
    if path.suffix == ".nir":
        raise FormatError(
            f"{path}: a NIR file does not say all of its rules; import it first and give the archive: spikeport import "
            f"{path} --out FLOAT.safetensors"
        )
    if path.suffix != ".safetensors":
        raise FormatError(
            f"{path}: as float network, {ending(path)}; expected a {ANYTHING}. A ReLU network has no "
            "spikes to compare: give the float archive that 'convert' writes without --weight-bits"
        )
    try:
        return archive.read_float(path)
    except ArchiveError as fault:
        return _from_checkpoint(path, network, fault)


def _from_checkpoint(path: Path, network: Network, fault: ArchiveError) -> FloatNetwork:
    """Return the network of a checkpoint; raise ``fault`` where the file is none."""
    try:
        from spikeport.toolchain import checkpoint
    except ImportError:
        raise fault from None
    if not checkpoint.is_checkpoint(path):
        raise fault
    return _lowered(checkpoint.read_snn(path), network)


def _lowered(model: Any, network: Network) -> FloatNetwork:
    need_torch("lowering a checkpoint")
    from spikeport.toolchain.lowering import lower
    from spikeport.toolchain.nn.snn import SNN

    if not isinstance(model, SNN):
        raise NetworkError(f"the float network is a {type(model).__name__}; expected a spiking network, a {ANYTHING}")
    return lower(model.cpu().double().eval(), levels=Intake.of(network).source.levels)
