"""Build a network from stock Lava processes, and from our own where stock ones cannot express it.

Runs in Lava's Python 3.10. Lava delays every projection by one step, so a population at depth d starts sample n at
step nP + d + 1. Without delays in the network samples follow each other without a gap (P = T) and stock `LIFReset`
neurons clear their state there. With delays, P = T + the longest one: `ResetNeuron` rests in the gap until no spike is
on its way.

The input of a `BiasNetwork` is no process: `BiasWriter` puts each sample's biases into the registers of stock neurons
at the end of the step before the sample, as a host would; neurons of our own read them from a table.

A population of shape (C, H, W) is (W, H, C) in Lava; every other shape is one axis in C order.
"""

import numpy as np
from lava.proc.conv.process import Conv
from lava.proc.dense.process import Dense as LavaDense
from lava.proc.io.source import RingBuffer
from lava.proc.lif.process import LIFReset
from lava.utils.weightutils import SignMode

from spikeport.export.biases import own_bias, written
from spikeport.export.fixed_point import INT8_MAX, THRESHOLD_MAX
from spikeport.export.lava.processes import BiasWriter, DelayLine, PotentialRecorder, ResetNeuron, SpikeRecorder
from spikeport.export.network import BiasNetwork, Convolution, Source

NEVER = THRESHOLD_MAX + 1
"""A threshold of 2^23 units of potential, one above the largest potential: a readout never fires."""


def layout(shape):
    """Return the shape in Lava of a population of ``shape``."""
    return tuple(reversed(shape)) if len(shape) == 3 else (int(np.prod(shape)),)


def arranged(values, shape):
    """Turn an array (..., *shape) into (..., *layout(shape))."""
    if len(shape) != 3:
        return np.ascontiguousarray(values.reshape(*values.shape[: values.ndim - len(shape)], -1))
    return np.ascontiguousarray(np.moveaxis(values, (-3, -2, -1), (-1, -2, -3)))


def spread(values, shape):
    """Return parameters that broadcast to ``shape`` as one value per neuron, in Lava's layout."""
    return arranged(np.broadcast_to(values, shape), shape)


def gap(network):
    """Return how many steps lie between two samples: until the last delayed spike has arrived."""
    return max(projection.delay for projection in network.projections)


def steps_in_all(network, samples):
    """Return how many steps Lava runs: all samples with their gaps, and the depth of the network."""
    return samples * (network.steps + gap(network)) + max(network.depths().values())


def build(network, stimulus, held, trace):
    """Return one process of the network, from which all others are reached; recorders write to ``trace``."""
    depths = network.depths()
    biases = written(network, stimulus) if isinstance(network, BiasNetwork) else {}
    processes = {} if biases else {network.source.name: source(network, stimulus, held)}
    steps, rest = network.steps, gap(network)
    timing = {"steps": steps, "period": steps + rest, "samples": len(stimulus)}
    for population in network.neurons:
        depth = depths[population.name]
        processes[population.name] = neurons(population, steps, rest, depth, biases.get(population.name))
        place = {"path": str(trace / population.name), "first": depth + 1, **timing}
        record(population, processes[population.name], place)
    for projection in network.on_chip:
        ends = processes[projection.source], processes[projection.target]
        connect(network, projection, *ends, network.slack(projection, depths))
    return next(iter(processes.values()))


def source(network, stimulus, held):
    """Return the input population: a ring buffer with one frame per step, silent in the gaps."""
    frames = np.repeat(stimulus[:, None], network.steps, axis=1) if held else stimulus
    frames = np.pad(frames, [(0, 0), (0, gap(network)), *[(0, 0)] * (frames.ndim - 2)])
    shape = network.source.shape
    ordered = arranged(frames.reshape(-1, *shape).astype(np.int32), shape)
    return RingBuffer(data=np.moveaxis(ordered, 0, -1).copy())


def neurons(population, steps, rest, depth, biases):
    """Return the population as neurons that start a sample at their own step; stock ones where they can express it.

    ``biases`` are those of the samples, None where the neurons have their own.
    """
    if rest or not population.neuron.stock:
        return own_neurons(population, steps, rest, depth, biases)
    neuron, shape = population.neuron, population.shape
    process = LIFReset(
        shape=layout(shape),
        du=scalar(spread(neuron.decay_u, shape)) - 1,
        dv=scalar(spread(neuron.decay_v, shape)),
        vth=NEVER if neuron.threshold is None else scalar(spread(neuron.threshold, shape)),
        bias_mant=spread(neuron.bias_mantissa, shape),
        bias_exp=neuron.bias_exponent,
        reset_interval=steps,
        reset_offset=depth + 1,
        name=population.name,
    )
    if biases is not None:
        tables = {name: arranged(values, shape) for name, values in vars(biases).items()}
        writer = BiasWriter(shape=layout(shape), before=depth, period=steps, **tables)
        writer.mantissa.connect_var(process.bias_mant)
        writer.exponent.connect_var(process.bias_exp)
    return process


def own_neurons(population, steps, rest, depth, biases):
    """Return the population as neurons of our own."""
    neuron, shape = population.neuron, population.shape
    wide = {"threshold": neuron.level, "reset_to": neuron.reset_to, "reset_by": neuron.reset_by}
    wide["floor"] = neuron.floor
    wide = {name: None if value is None else spread(value.astype(np.int64), shape) for name, value in wide.items()}
    return ResetNeuron(
        shape=layout(shape),
        first=depth + 1,
        steps=steps,
        period=steps + rest,
        du=spread(neuron.decay_u, shape),
        dv=spread(neuron.decay_v, shape),
        bias=spread(own_bias(neuron), shape),
        biases=None if biases is None else arranged(biases.values, shape),
        name=population.name,
        **wide,
    )


def scalar(values):
    """Return one number where all are alike."""
    return int(values.flat[0]) if np.ptp(values) == 0 else values


def connect(network, projection, sender, receiver, slack):
    """Put the synapses of ``projection`` between two processes, behind a delay line of ``slack`` steps."""
    origin, target = network.population(projection.source), network.population(projection.target)
    bits = int(origin.neuron.levels).bit_length() if isinstance(origin.neuron, Source) else 0
    if slack:
        line = DelayLine(shape=layout(origin.shape), delay=slack)
        sender.s_out.connect(line.a_in)
        sender = line
    if isinstance(projection.synapses, Convolution):
        process = convolution(projection, origin.shape, bits)
        sender.s_out.connect(process.s_in)
        port = process.a_out if len(target.shape) == 3 else process.a_out.transpose((2, 1, 0))
    else:
        process = dense(projection, origin.shape, target.shape, bits)
        sender.s_out.reshape((int(np.prod(origin.shape)),)).connect(process.s_in)
        port = process.a_out
    if port.shape != receiver.a_in.shape:
        port = port.reshape(receiver.a_in.shape)
    port.connect(receiver.a_in)


def convolution(projection, shape, bits):
    """Return `Conv`, which convolves where frameworks cross-correlate, so the kernel is turned."""
    synapses, groups = projection.synapses, projection.synapses.groups
    kernel = synapses.weight.astype(np.int32)[:, :, ::-1, ::-1] << projection.exponent
    if groups > INT8_MAX:
        kernel, groups = ungrouped(kernel, groups), 1
    return Conv(
        weight=kernel.transpose(0, 3, 2, 1).copy(),
        input_shape=layout(shape),
        stride=synapses.stride[::-1],
        padding=synapses.padding[::-1],
        dilation=synapses.dilation[::-1],
        groups=groups,
        num_message_bits=bits,
    )


def ungrouped(kernel, groups):
    """Return the kernel (out, in, ...) of one group that does the same; Lava holds the number of groups in 8 bit."""
    out, inside = len(kernel) // groups, kernel.shape[1]
    full = np.zeros((len(kernel), inside * groups, *kernel.shape[2:]), kernel.dtype)
    for group in range(groups):
        rows = slice(group * out, (group + 1) * out)
        full[rows, group * inside : (group + 1) * inside] = kernel[rows]
    return full


def dense(projection, source_shape, target_shape, bits):
    """Return `Dense` with weights ``2 w`` and an exponent that is one lower.

    Lava gives mixed weights the even numbers of -256..254, which are all ``2 w``. Without the sign mode it takes a
    matrix that holds no positive weight for inhibitory and clips it to -255..0, so ``w = -128`` would become -127.5.
    """
    weight = arranged(2 * projection.synapses.weight.astype(np.int32).reshape(-1, *source_shape), source_shape)
    columns = weight.reshape(len(weight), -1).T
    rows = arranged(columns.reshape(-1, *target_shape), target_shape)
    weight = rows.reshape(len(columns), -1).T.copy()
    return LavaDense(
        weights=weight, weight_exp=projection.exponent - 1, num_message_bits=bits, sign_mode=SignMode.MIXED
    )


def record(population, process, place):
    """Attach the recorder that fits the population."""
    shape = layout(population.shape)
    if population.neuron.threshold is None:
        PotentialRecorder(shape=shape, **place).potential.connect_var(process.v)
    else:
        process.s_out.connect(SpikeRecorder(shape=shape, **place).a_in)
