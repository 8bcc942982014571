"""Record every state of the cases in nengo-loihi's emulator of Loihi 1.

Usage: python record_nengo_loihi.py FOLDER OUTFILE

FOLDER is what `write_cases.py` made. Blocks, synapses and axons hold the integers of the files; nengo-loihi's own
discretisation rounds nothing: `discretize_weights` must give back every weight. Convolutions run twice where
nengo-loihi has the same padding: synapses written out, and with its own lists that positions share. The host writes a
population's bias in the step in which it starts. Cases whose name begins with 'rule' may overflow, no others.
"""

import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import scipy.sparse
from chip import cases, digest, kept, load, synapses
from nengo import Convolution
from nengo.transforms import ChannelShape
from nengo_loihi.block import Axon, LoihiBlock, Synapse
from nengo_loihi.builder import Model
from nengo_loihi.builder.discretize import discretize_weights
from nengo_loihi.builder.validate import validate_block, validate_synapse
from nengo_loihi.conv import channel_idxs, conv2d_loihi_weights, pixel_idxs
from nengo_loihi.emulator import EmulatorInterface
from nengo_loihi.inputs import SpikeInput

FANOUT = {"mixed": 1, "excitatory": 2, "inhibitory": 3}
LONGEST = 2**23 - 1


def main(folder: Path, outfile: Path) -> None:
    """Record every case that nengo-loihi can say."""
    found = {"tool": np.array(f"nengo-loihi {version('nengo-loihi')}, nengo {version('nengo')}")}
    for name, path in cases(folder):
        chip = load(path)
        if any(each.delay for each in chip.projections):
            continue  # "delay not yet implemented"
        for form in ("", "+kernels") if any(kernels(each, chip) for each in chip.projections) else ("",):
            states = kept(*run(chip, shared=bool(form), strict=not name.startswith("rule")))
            if form:
                states.pop("states", None)  # digests are enough beside the states of synapses written out
            found[f"{name}{form}/case"] = np.array(digest(path))
            found |= {f"{name}{form}/{key}": values for key, values in states.items()}
    np.savez_compressed(outfile, **found)


def run(chip, *, shared, strict):
    """Return current, potential and spikes, (steps, neurons), each population from its start on."""
    model, blocks = build(chip, shared=shared)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of NaN as integers, and of overflow where it is wanted
        emulator = EmulatorInterface(model, seed=0)
    for state in (emulator.compartment, emulator.synapses):
        state.strict = strict
    slices = {name: emulator.block_info.slices[block] for name, block in blocks.items()}
    emulator.compartment.bias[:] = 0
    rows = {name: [] for name in blocks}
    for step in range(chip.steps + chip.last_start):
        for each in chip.neurons:
            if each.start == step:
                emulator.compartment.bias[slices[each.name]] = bias(each)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Overflow")
            emulator.step()
        for name, place in slices.items():
            state = emulator.compartment
            rows[name].append([array[place].copy() for array in (state.current, state.voltage, state.spiked)])
    parts = [np.array(rows[each.name][each.start : each.start + chip.steps]) for each in chip.neurons]
    return np.concatenate(parts, axis=2).swapaxes(0, 1)


def bias(population):
    """Return the biases in potential units."""
    return population.registers["bias_mantissa"] << population.registers["bias_exponent"]


def build(chip, *, shared):
    """Return the model and its blocks by population."""
    model, blocks = Model(), {}
    source = SpikeInput(chip.source.size)
    for step, spikes in enumerate(chip.spikes):
        source.add_spikes(step + 1, np.flatnonzero(spikes))
    model.add_input(source)
    for population in chip.neurons:
        blocks[population.name] = block(population)
        model.add_block(blocks[population.name])
    for projection in chip.projections:
        synapse, maps = synapses_of(projection, chip, shared=shared)
        synapse.format(weight_exp=projection.weight_exponent, fanout_type=FANOUT[projection.sign_mode])
        synapse.format(weight_bits=synapse.synapse_cfg.WEIGHT_BITS_MAP.index(projection.weight_bits))
        synapse.weights = [exact(synapse.synapse_cfg, mantissa) for mantissa in synapse.weights]
        validate_synapse(synapse)
        axon = Axon(synapse.n_axons)
        axon.target = synapse
        if maps:
            axon.set_compartment_axon_map(*maps)
        blocks[projection.target].add_synapse(synapse)
        (blocks.get(projection.source) or source).add_axon(axon)
    for each in blocks.values():
        validate_block(each)
    return model, blocks


def block(population):
    """Return a block whose compartments hold the registers as integers."""
    made = LoihiBlock(population.size, label=population.name)
    registers, compartment = population.registers, made.compartment
    compartment.vth = registers["threshold_mantissa"] << 6
    compartment.bias = bias(population)
    compartment.decay_u, compartment.decay_v = registers["decay_u"], registers["decay_v"]
    compartment.refract_delay = np.ones(population.size, np.int32)
    compartment.scale_u = compartment.scale_v = False
    compartment.vmin, compartment.vmax = -LONGEST, LONGEST
    compartment.noise_exp = 1
    return made


def exact(config, mantissas):
    """Return weights as nengo-loihi makes them of mantissas.

    `discretize_weights` never writes -256, which the chip's field and nengo-loihi's board builder hold.
    """
    wide = np.rint(mantissas).astype(np.int64)
    exponent = config.weight_exp
    weights = ((wide << exponent if exponent >= 0 else wide >> -exponent) << 6).astype(np.int32)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Lost")  # bits that are zero
        theirs = discretize_weights(config, wide.astype(np.float64))
    if not np.array_equal(theirs[wide > -256], weights[wide > -256]):
        raise ValueError("nengo-loihi rounds a weight")
    if not np.array_equal(weights // config.scale, wide):
        raise ValueError("nengo-loihi's board builder would write another mantissa")
    return weights


def kernels(projection, chip):
    """Return nengo's convolution with the same sums, or None."""
    kernel, shape = projection.mantissa, chip.populations[projection.source].shape
    if kernel.ndim == 2 or projection.groups != 1 or projection.dilation not in ((1, 1), [1, 1]):
        return None
    target = chip.populations[projection.target].shape
    for padding in ("valid", "same"):
        options = {"kernel_size": kernel.shape[2:], "padding": padding, "channels_last": False}
        made = Convolution(
            len(kernel),
            ChannelShape(shape, channels_last=False),
            strides=tuple(projection.stride),
            init=kernel.transpose(2, 3, 1, 0).astype(float),
            **options,
        )
        if made.output_shape.shape == target and list(projection.padding) == offsets(made, padding, shape, target):
            return made
    return None


def offsets(made, padding, shape, target):
    """Return the zeros before the first row and column, as `conv2d_loihi_weights` counts them."""
    if padding == "valid":
        return [0, 0]
    sizes = zip(target[1:], made.strides, made.kernel_size, shape[1:], strict=True)
    return [max((outs - 1) * stride + size - ins, 0) // 2 for outs, stride, size, ins in sizes]


def synapses_of(projection, chip, *, shared):
    """Return synapses with mantissas as weights, and the maps from neurons to axons and atoms, if any."""
    source, target = (chip.populations[name] for name in (projection.source, projection.target))
    transform = kernels(projection, chip) if shared else None
    if transform is not None:
        synapse = Synapse(int(np.prod(source.shape[1:])))
        synapse.set_population_weights(*conv2d_loihi_weights(transform), pop_type=32)
        return synapse, (pixel_idxs(transform.input_shape), channel_idxs(transform.input_shape))
    sources, targets, mantissas = synapses(projection, projection.mantissa, source.shape)
    matrix = scipy.sparse.csr_matrix((mantissas.astype(float), (sources, targets)), (source.size, target.size))
    synapse = Synapse(source.size)
    synapse.set_weights(matrix if matrix.nnz else matrix.toarray())  # it takes no empty lists alone
    return synapse, ()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
