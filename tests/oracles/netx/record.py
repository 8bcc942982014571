"""Record what lava-dl itself makes of .net files: netx in Lava, and slayer for files that it exports.

Runs in an environment of its own (CPython 3.10, ``pip install lava-dl==0.6.0``)::

    python tests/oracles/netx/record.py tests/oracles/netx lava
    python tests/oracles/netx/record.py tests/oracles/netx slayer

``lava_*.net`` are files as slayer lays them out, with random numbers; ``lava.npz`` holds per file the input (T, N), the
spikes of every layer and the potential of the last, as netx gives them. ``slayer_*.net`` are exported by slayer;
``slayer.npz`` holds their input and what the blocks give for it.
"""

import sys
from pathlib import Path

import h5py
import numpy as np

STEPS = 12


def written(path, inputs, layers):
    """Write a .net file: an input shape, and per layer its type and its keys."""
    with h5py.File(path, "w") as file:
        entries = [{"type": "input", "shape": np.array(inputs)}, *layers]
        for index, layer in enumerate(entries):
            group = file.create_group(f"layer/{index}")
            for key, value in layer.items():
                if key == "type":
                    group.create_dataset("type", (1,), "S10", [value.encode()])
                else:
                    group[key] = value


def cuba(rng, threshold, *, leaky=True):
    """Return the keys of CUBA neurons."""
    decays = (int(rng.choice([4096, 3000, 1000])), int(rng.choice([0, 123, 2000]))) if leaky else (4096, 0)
    values = {"type": "CUBA", "iDecay": decays[0], "vDecay": decays[1], "vThMant": threshold, "refDelay": 1}
    return {**{f"neuron/{key}": value for key, value in values.items()}, "neuron/gradedSpike": False}


def dense(rng, inputs, outputs, *, threshold=50, bias=False, delay=None, neuron=True, recurrent=False, leaky=True):
    """Return a dense layer with even weights, as slayer quantizes them."""
    layer = {"type": "dense_rec" if recurrent else "dense", "shape": np.array([outputs])}
    layer |= {"inFeatures": inputs, "outFeatures": outputs}
    layer["weight"] = 2.0 * rng.integers(-25, 41, (outputs, inputs))
    if recurrent:
        layer["weight_rec"] = 2.0 * rng.integers(-40, 30, (outputs, outputs))
    if bias:
        layer["bias"] = rng.integers(-9, 14, outputs)
    if delay is not None:
        layer["delay"] = delay
    return {**layer, **(cuba(rng, threshold, leaky=leaky) if neuron else {})}


def conv(rng, inputs, outputs, size):
    """Return a 3x3 convolution with padding 1."""
    layer = {"type": "conv", "shape": np.array([outputs, *size]), "inChannels": inputs, "outChannels": outputs}
    layer |= {"kernelSize": np.array([3, 3]), "stride": np.array([1, 1]), "padding": np.array([1, 1])}
    layer |= {"dilation": np.array([1, 1]), "groups": 1}
    layer["weight"] = 2.0 * rng.integers(-15, 26, (outputs, inputs, 3, 3, 1))
    return {**layer, **cuba(rng, 60)}


def networks(seed):
    """Return files by name: the input's shape, the layers, and whether the input is graded."""
    rng = np.random.default_rng(seed)
    delays = lambda count: rng.integers(0, 5, count).astype(float)  # noqa: E731
    first = lambda **more: dense(rng, 6, 5, **more)  # noqa: E731
    return {
        "delays": ((6,), [first(delay=delays(5)), dense(rng, 5, 4, delay=delays(4)), dense(rng, 4, 3)], 1),
        "delay_last": ((6,), [first(), dense(rng, 5, 4, delay=delays(4))], 1),
        "delay_bias": ((6,), [first(), dense(rng, 5, 4, delay=delays(4), bias=True), dense(rng, 4, 3)], 1),
        "delay_bias_last": ((6,), [first(), dense(rng, 5, 4, delay=delays(4), bias=True)], 1),
        "delay_of_sources": ((6,), [first(delay=delays(6)), dense(rng, 5, 4, delay=delays(5))], 1),
        "delay_of_synapses": ((6,), [first(delay=delays((5, 6))), dense(rng, 5, 4, delay=delays((4, 5)))], 1),
        "delay_graded": ((6,), [first(threshold=3000, delay=delays(5)), dense(rng, 5, 4)], 255),
        "delay_readout": ((6,), [first(), dense(rng, 5, 3, delay=delays(3), threshold=2**18 - 1)], 1),
        "conv_delay": (
            (2, 4, 3),
            [
                conv(rng, 2, 3, (4, 3)),
                {"type": "flatten", "shape": np.array([36])},
                dense(rng, 36, 5, delay=delays(5)),
                dense(rng, 5, 3),
            ],
            1,
        ),
        "affine_off": ((6,), [first(), dense(rng, 5, 3, neuron=False)], 1),
        "affine_off_bias": ((6,), [first(), dense(rng, 5, 3, neuron=False, bias=True)], 1),
        "affine_on": ((6,), [first(), dense(rng, 5, 3, threshold=2**18 - 1)], 1),
        "affine_on_bias": ((6,), [first(bias=True), dense(rng, 5, 3, threshold=2**18 - 1, bias=True)], 1),
        "affine_pilotnet": ((6,), [first(), dense(rng, 5, 3, threshold=2**17 - 1, leaky=False)], 1),
        "affine_alone": ((6,), [dense(rng, 6, 3, threshold=2**18 - 1)], 255),
        "recurrent": ((6,), [first(recurrent=True), dense(rng, 5, 4, recurrent=True)], 1),
        "recurrent_bias": ((6,), [first(recurrent=True, bias=True), dense(rng, 5, 3)], 1),
        "recurrent_graded": ((6,), [first(recurrent=True, threshold=3000), dense(rng, 5, 3)], 255),
        "delay_square": ((6,), [dense(rng, 6, 6, delay=delays(6)), dense(rng, 6, 6, delay=delays((6, 6)))], 1),
        "recurrent_readout": ((6,), [first(recurrent=True), dense(rng, 5, 3, neuron=False)], 1),
    }


def in_lava(path, frames, levels):
    """Return the spikes of every layer and the potential of the last for ``frames`` (T, *shape)."""
    from lava.lib.dl.netx.hdf5 import Network
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.io.sink import RingBuffer as Sink
    from lava.proc.io.source import RingBuffer
    from lava.proc.monitor.process import Monitor

    steps = len(frames)
    bits = int(levels).bit_length() if levels > 1 else 0
    network = Network(net_config=str(path), input_message_bits=bits, reset_interval=10**6, reset_offset=1)
    total = steps + len(network)
    moved = np.moveaxis(frames, 0, -1)
    source = RingBuffer(data=(np.transpose(moved, (2, 1, 0, 3)) if moved.ndim == 4 else moved).astype(np.int32))
    source.s_out.connect(network.inp)
    sinks = []
    for layer in network.layers:
        sinks.append(Sink(shape=layer.out.shape, buffer=total))
        layer.out.connect(sinks[-1].a_in)
    monitor = Monitor()
    neuron = network.layers[-1].neuron
    monitor.probe(neuron.v, total)
    network.run(condition=RunSteps(num_steps=total), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
    spikes = [sink.data.get() for sink in sinks]
    potential = monitor.get_data()[neuron.name]["v"]
    network.stop()
    found = []
    for depth, values in enumerate(spikes, 1):
        values = np.moveaxis(values[..., depth : depth + steps], -1, 0)
        found.append(np.transpose(values, (0, 3, 2, 1)) if values.ndim == 4 else values)
    return found, potential[len(network) : len(network) + steps]


def record_lava(folder):
    """Write the files, and what netx in Lava gives for them."""
    recorded = {}
    cases = [(f"lava_{name}", *each) for name, each in networks(1).items()]
    for name, shape, layers, levels in cases:
        written(folder / f"{name}.net", shape, layers)
        rng = np.random.default_rng(len(recorded))
        frames = rng.integers(0, levels + 1, (STEPS, *shape)) * (rng.random((STEPS, *shape)) < 0.5)
        spikes, potential = in_lava(folder / f"{name}.net", frames, levels)
        recorded[f"{name}/input"], recorded[f"{name}/potential"] = frames, potential.astype(np.int32)
        for index, each in enumerate(spikes):
            recorded[f"{name}/spikes{index}"] = each.astype(bool)
        print(name, [int(each.sum()) for each in spikes], flush=True)
    np.savez_compressed(folder / "lava.npz", **recorded)


def exported(blocks, path):
    """Write slayer's own file of ``blocks``."""
    with h5py.File(path, "w") as file:
        layers = file.create_group("layer")
        for index, block in enumerate(blocks):
            block.export_hdf5(layers.create_group(f"{index}"))


def record_slayer(folder):
    """Write files that slayer exports, and what its blocks give; no step between layers, as in the definition."""
    import torch
    from lava.lib.dl.slayer.block import cuba as block

    torch.manual_seed(0)
    neuron = {"threshold": 1.0, "current_decay": 0.5, "voltage_decay": 0.1, "requires_grad": False}
    common = {"weight_scale": 2, "delay_shift": False}
    made = {
        "delays": [block.Dense(neuron, 8, 6, delay=True, **common), block.Dense(neuron, 6, 4, delay=True, **common)],
        "affine_on": [block.Dense(neuron, 8, 6, **common), block.Affine(neuron, 6, 3, weight_scale=2)],
        "affine_off": [block.Dense(neuron, 8, 6, **common), block.Affine(neuron, 6, 3, weight_scale=2, dynamics=False)],
        "recurrent": [block.Recurrent(dict(neuron), 8, 6, **common), block.Dense(neuron, 6, 4, **common)],
        "recurrent_delay": [
            block.Recurrent(dict(neuron), 8, 6, delay=True, **common),
            block.Dense(neuron, 6, 4, **common),
        ],
    }
    counting = {**neuron, "current_decay": 1.0, "voltage_decay": 0.0}
    made["ties"] = [block.Dense(counting, 8, 6, delay=True, **common), block.Dense(counting, 6, 4, **common)]
    for each in made["ties"]:  # sums are multiples of a quarter of the threshold, and meet it often
        weight = each.synapse.weight
        weight.data = torch.randint(-1, 4, weight.shape).float() / 8
    recorded = {}
    for name, blocks in made.items():
        spikes = (torch.rand(1, 8, 3 * STEPS) < 0.4).float()
        run(blocks, spikes)  # the first run makes shapes and delays
        for each in blocks:
            if getattr(each, "delay", None) is not None:
                each.delay.delay.data = torch.randint(0, 4, each.delay.delay.shape).float()
        values = run(blocks, spikes)
        exported(blocks, folder / f"slayer_{name}.net")
        recorded[f"{name}/input"] = spikes[0].T.numpy().astype(np.uint8)
        for index, each in enumerate(values):
            recorded[f"{name}/layer{index}"] = each[0].T.detach().numpy()
        print(name, [float(each.sum()) for each in values], flush=True)
    np.savez_compressed(folder / "slayer.npz", **recorded)


def run(blocks, spikes):
    """Return what every block gives; each starts at rest."""
    values = []
    for block in blocks:
        for state in ("current_state", "voltage_state"):
            if hasattr(block.neuron, state):
                getattr(block.neuron, state).zero_()
        spikes = block(spikes)
        values.append(spikes)
    return values


if __name__ == "__main__":
    {"lava": record_lava, "slayer": record_slayer}[sys.argv[2]](Path(sys.argv[1]))
