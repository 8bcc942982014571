"""The training loop: it learns, resumes to the same bits, keeps constraints, chooses the best epoch, names faults."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from spikeport.export.errors import OutputError, TrainingError
from spikeport.toolchain import checkpoint
from spikeport.toolchain.attacks.pgd import Pgd
from spikeport.toolchain.evaluation import accuracy
from spikeport.toolchain.lowering import lower
from spikeport.toolchain.nn.neurons import MINIMUM_THRESHOLD
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.nn.spiking import Spiking
from spikeport.toolchain.objectives.adversarial import Adversarial
from spikeport.toolchain.objectives.plain import Plain
from spikeport.toolchain.objectives.robust_kl import RobustKl
from spikeport.toolchain.objectives.threshold_guarding import ThresholdGuarding
from spikeport.toolchain.objectives.trades import Trades
from spikeport.toolchain.pruning.lwm import Lwm
from spikeport.toolchain.pruning.masks import set_masks
from tests.toolchain.networks import SPECIFICATION, generator
from tests.toolchain.training.small import ann, dataset, same, snn, split, state, trained, without_norm, without_times

ROOT = Path(__file__).parents[3]


def noisy():
    model = snn()
    model.spiking = msgspec.structs.replace(model.spiking, noise=0.3)
    return model


CASES = {
    "ann": (ann, {"objective": Trades(attack=Pgd(steps=1))}),
    "adam": (ann, {"optimizer": "adam", "learning_rate": 0.01, "warmup": 1, "accumulate": 2, "clip": 1.0}),
    "snn": (snn, {"objective": RobustKl()}),
    "guarded": (noisy, {"objective": ThresholdGuarding(task=RobustKl())}),
}


class BrokenError(Exception):
    """What ends a training in the middle of an epoch here."""


def breaking(at):
    """Return an ``after_update`` that ends the training at its ``at``-th update."""
    count = iter(range(1, 10_000))

    def after_update():
        if next(count) == at:
            raise BrokenError

    return after_update


@pytest.mark.parametrize("make", [ann, snn])
def test_training_learns_what_can_be_learnt(make, tmp_path):
    model, data = make(), dataset(120)
    before = accuracy(model, *data.test.tensors())
    fitted = trained(model, tmp_path, data=data, epochs=6)
    assert before < 0.6
    assert accuracy(model, *data.test.tensors()) > 0.9
    assert fitted.history[-1]["loss"] < fitted.history[0]["loss"] / 2
    assert [row["epoch"] for row in fitted.history] == list(range(1, 7))


@pytest.mark.parametrize(("make", "options"), CASES.values(), ids=CASES)
def test_equal_seeds_give_equal_bits_and_others_do_not(make, options, tmp_path):
    models = []
    for index, seed in enumerate((3, 3, 4)):
        torch.manual_seed(index)
        models.append(make())
        trained(models[-1], tmp_path / str(index), seed=seed, **options)
    assert same(state(models[0]), state(models[1]))
    assert not same(state(models[0]), state(models[2]))


@pytest.mark.parametrize(("make", "options"), CASES.values(), ids=CASES)
@pytest.mark.parametrize(
    "at", [pytest.param(at, marks=pytest.mark.slow if at != 5 else ()) for at in (1, 5, 8)], ids="update {}".format
)
def test_a_broken_training_goes_on_to_the_same_bits(make, options, at, tmp_path):
    unbroken, broken = make(), make()
    whole = trained(unbroken, tmp_path / "whole", epochs=3, **options)
    with pytest.raises(BrokenError):
        trained(broken, tmp_path / "broken", epochs=3, after_update=breaking(at), **options)
    again = make()
    rest = trained(again, tmp_path / "broken", epochs=3, **options)
    assert same(state(unbroken), state(again))
    assert without_times(whole.history) == without_times(rest.history)
    assert whole.best_epoch == rest.best_epoch
    last = [load_file(tmp_path / name / "epochs/0003/state.safetensors") for name in ("whole", "broken")]
    assert same(*last)


def test_a_finished_training_gives_the_best_epoch_without_training(tmp_path):
    first, second = ann(), ann()
    fitted = trained(first, tmp_path)
    again = trained(second, tmp_path, after_update=breaking(1))
    assert same(state(first), state(second))
    assert fitted.history == again.history


KILLED = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from spikeport.toolchain import checkpoint
from spikeport.toolchain.attacks.pgd import Pgd
from spikeport.toolchain.objectives.threshold_guarding import ThresholdGuarding
from spikeport.toolchain.objectives.trades import Trades
from tests.toolchain.training.small import ann, dataset, snn, trained
make = {"ann": ann, "snn": snn}[sys.argv[2]]
trained(make(), Path(sys.argv[1]), data=dataset(400), epochs=12, objective=Trades(attack=Pgd(steps=3)))
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ann", "snn"])
def test_a_training_killed_at_random_moments_goes_on_to_the_same_bits(kind, tmp_path):
    def started(name):
        return subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path / name), kind],
            cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def written():
        return {path.name for path in (tmp_path / "killed/epochs").glob("0*")}

    rng, kills = np.random.default_rng(int.from_bytes(kind.encode(), "little")), 0
    for _ in range(3):
        before, process = written(), started("killed")
        while process.poll() is None and written() == before:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.5))
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert kills >= 1
    assert started("killed").wait() == 0
    assert started("whole").wait() == 0
    for epoch in ("0011", "0012"):
        found = [load_file(tmp_path / name / "epochs" / epoch / "state.safetensors") for name in ("killed", "whole")]
        assert same(*found)


def test_the_callers_random_numbers_threads_and_mode_are_left_alone(tmp_path):
    model, threads = ann().eval(), torch.get_num_threads()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    trained(model, tmp_path)
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads
    assert not model.training


def masked(make, share=0.8):
    model = make()
    set_masks(model, Lwm().masks(model, share, None, generator=generator()))
    return model


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("make", [ann, snn])
def test_sparsity_does_not_change_under_momentum_and_weight_decay(make, optimizer, tmp_path):
    model, counts = masked(make), []
    before = state(model)
    kept = [int(synapses.mask.sum()) for synapses in model.synapses().values()]

    def after_update():
        counts.append([int((synapses.weight != 0).sum()) for synapses in model.synapses().values()])

    trained(model, tmp_path, objective=RobustKl(), weight_decay=0.1, optimizer=optimizer, after_update=after_update)
    assert len(counts) == 6
    for name, synapses in model.synapses().items():
        assert not torch.equal(synapses.weight, before[f"{name}.weight"])
        assert not synapses.weight[synapses.mask == 0].any()
    assert [int((synapses.weight != 0).sum()) for synapses in model.synapses().values()] == kept


@pytest.mark.parametrize("make", [ann, snn])
def test_a_weight_that_a_mask_meets_at_work_goes_with_the_first_update(make, tmp_path):
    """Gradients never reach such a weight, so only setting it to zero removes it."""
    model = make()
    for synapses in model.synapses().values():
        synapses.mask.flatten()[::3] = 0
    assert all(synapses.weight[synapses.mask == 0].any() for synapses in model.synapses().values())
    trained(model, tmp_path, epochs=1)
    assert not any(synapses.weight[synapses.mask == 0].any() for synapses in model.synapses().values())


def test_thresholds_stay_above_their_floor(tmp_path):
    model = snn(threshold=0.031)
    trained(model, tmp_path, weight_decay=50.0, learning_rate=1e-3)
    floor = torch.tensor(MINIMUM_THRESHOLD)
    assert all(neurons.threshold >= floor for neurons in model.neuron_list())
    assert any(neurons.threshold == floor for neurons in model.neuron_list())


def test_the_best_epoch_is_the_first_with_the_highest_validation_accuracy(tmp_path):
    model, data = ann(), dataset()
    fitted = trained(model, tmp_path, data=data, epochs=6, learning_rate=0.3)
    values = [row["clean"] for row in fitted.history]
    assert fitted.best_epoch == values.index(max(values)) + 1
    assert accuracy(model, *data.validation.tensors()) == max(values)
    kept = load_file(tmp_path / f"epochs/{fitted.best_epoch:04d}/state.safetensors")
    assert all(torch.equal(value, kept[f"model.{name}"]) for name, value in model.state_dict().items())


def test_the_test_split_plays_no_part(tmp_path):
    first, second = ann(), ann()
    trained(first, tmp_path / "a")
    trained(second, tmp_path / "b", data=dataset(test=split(7, 99)))
    assert same(state(first), state(second))


def test_robust_accuracy_chooses_where_the_settings_ask(tmp_path):
    fitted = trained(ann(), tmp_path, epochs=4, best="robust", objective=Adversarial(epsilon=30, attack=Pgd(steps=2)))
    values = [row["robust"] for row in fitted.history]
    assert fitted.best_epoch == values.index(max(values)) + 1
    assert all(row["robust"] <= row["clean"] for row in fitted.history)


def test_without_a_validation_split_the_last_epoch_is_taken_and_that_is_said(tmp_path, capsys):
    fitted = trained(ann(), tmp_path, data=dataset(validation=0), epochs=3)
    assert fitted.best_epoch == 3
    assert "no validation split: the last epoch is taken" in capsys.readouterr().err
    assert all("clean" not in row for row in fitted.history)


def test_only_accepted_epochs_become_the_best(tmp_path):
    calls = []

    def accept():
        calls.append(0)
        return len(calls) == 2

    assert trained(ann(), tmp_path, epochs=4, accept=accept).best_epoch == 2
    assert len(calls) == 4
    with pytest.raises(TrainingError, match="no epoch of 2 met the target"):
        trained(ann(), tmp_path / "none", accept=lambda: False)


def test_the_last_two_and_the_best_checkpoint_are_kept(tmp_path):
    calls = []

    def accept():
        calls.append(0)
        return len(calls) == 2

    trained(ann(), tmp_path, epochs=6, accept=accept)
    assert sorted(path.name for path in (tmp_path / "epochs").iterdir()) == ["0002", "0005", "0006"]


def test_the_best_epoch_of_the_one_before_is_kept_too(tmp_path):
    """So that a training can go on from the epoch before, where the newest is damaged."""
    calls = []

    def accept():
        calls.append(0)
        return len(calls) in {2, 6}

    trained(ann(), tmp_path, data=dataset(validation=0), epochs=6, accept=accept)
    assert sorted(path.name for path in (tmp_path / "epochs").iterdir()) == ["0002", "0005", "0006"]


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-7])


def flipped(path):
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)


DAMAGE = {
    "tensors cut off": ("state.safetensors", cut_off),
    "a bit of a tensor": ("state.safetensors", flipped),
    "no tensors": ("state.safetensors", Path.unlink),
    "values cut off": ("state.json", cut_off),
    "no values": ("state.json", Path.unlink),
}


@pytest.mark.parametrize(("name", "damage"), DAMAGE.values(), ids=DAMAGE)
def test_a_training_goes_on_from_the_epoch_before_a_damaged_one(name, damage, tmp_path, capsys):
    unbroken, again = ann(), ann()
    trained(unbroken, tmp_path / "whole", epochs=4)
    with pytest.raises(BrokenError):
        trained(ann(), tmp_path / "broken", epochs=4, after_update=breaking(10))
    damage(tmp_path / "broken/epochs/0003" / name)
    capsys.readouterr()
    trained(again, tmp_path / "broken", epochs=4)
    said = capsys.readouterr().err
    assert f"0003/{name}" in said
    assert "the training goes on from epoch 2, the newest that is whole" in said
    assert "from epoch 3 on" in said
    assert same(state(unbroken), state(again))
    last = [load_file(tmp_path / folder / "epochs/0004/state.safetensors") for folder in ("whole", "broken")]
    assert same(*last)


@pytest.mark.parametrize("name", ["state.safetensors", "state.json"])
def test_damage_to_every_epoch_is_refused_with_the_newest_file(name, tmp_path):
    trained(ann(), tmp_path, epochs=3)
    for path in tmp_path.glob(f"epochs/*/{name}"):
        cut_off(path)
    with pytest.raises(TrainingError, match=rf"0003/{name}: damaged \(.*\); remove .*epochs to train anew"):
        trained(ann(), tmp_path, epochs=3)
    assert len(list((tmp_path / "epochs").iterdir())) >= 2


def test_a_damaged_best_epoch_is_refused_before_any_training(tmp_path):
    calls = []

    def accept():
        calls.append(0)
        return len(calls) == 1

    with pytest.raises(BrokenError):
        trained(ann(), tmp_path, epochs=5, accept=accept, after_update=breaking(14))
    cut_off(tmp_path / "epochs/0001/state.safetensors")
    with pytest.raises(TrainingError, match=r"0001/state.safetensors: damaged .*; remove .*epochs to train anew"):
        trained(ann(), tmp_path, epochs=5, accept=accept, after_update=breaking(1))


def test_parameters_outside_of_the_model_are_trained_kept_and_resumed(tmp_path):
    """A penalty pulls a parameter of the caller's towards 1; no other parameter is trained."""

    def run(folder, **options):
        model, own = ann(), nn.Parameter(torch.zeros(2))
        before = {name: value.detach().clone() for name, value in model.named_parameters()}
        trained(
            model, folder, parameters=[own], penalty=lambda epoch: (epoch + 1) * ((own - 1) ** 2).sum(),
            weight_decay=0, epochs=3, **options,
        )  # fmt: skip
        assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())
        return own.detach()

    whole = run(tmp_path / "whole")
    assert bool((whole > 0.5).all())
    with pytest.raises(BrokenError):
        run(tmp_path / "broken", after_update=breaking(5))
    assert torch.equal(run(tmp_path / "broken"), whole)


def test_no_epochs_leave_the_model_as_it_is(tmp_path):
    model = ann()
    before = state(model)
    fitted = trained(model, tmp_path, epochs=0)
    assert (fitted.best_epoch, fitted.history) == (0, ())
    assert same(state(model), before)


@pytest.mark.parametrize("accumulate", [2, 4])
def test_parts_of_a_batch_add_up_to_the_whole(accumulate, tmp_path):
    """Without batch norm: the same images, attacks and updates, in another order of additions."""
    whole, parted = ann(specification=without_norm()), ann(specification=without_norm())
    objective = Trades(attack=Pgd(steps=2))
    first = trained(whole, tmp_path / "whole", objective=objective)
    second = trained(parted, tmp_path / "parts", objective=objective, accumulate=accumulate)
    for name, value in whole.state_dict().items():
        assert torch.allclose(value, parted.state_dict()[name], atol=1e-5), name
    assert second.history[-1]["loss"] == pytest.approx(first.history[-1]["loss"], rel=1e-4)


def test_bf16_and_channels_last_train_as_well(tmp_path):
    whole, other = ann(), ann()
    trained(whole, tmp_path / "32")
    fitted = trained(other, tmp_path / "bf16", precision="bf16", channels_last=True)
    assert all(value.dtype == torch.float32 for value in other.parameters())
    assert all(value.is_contiguous() for value in other.parameters())
    assert fitted.history[-1]["clean"] > 0.4
    for name, value in whole.named_parameters():
        assert torch.allclose(value, dict(other.named_parameters())[name], atol=0.1), name


@pytest.mark.parametrize("make", [ann, snn])
def test_a_loss_that_is_no_number_names_epoch_step_and_layer_and_leaves_the_last_checkpoint(make, tmp_path):
    model, count = make(), iter(range(1, 100))

    def after_update():
        if next(count) == 5:
            with torch.no_grad():
                model.projections_into("dense1")[0].synapses.weight.fill_(torch.nan)

    message = (
        r"train: epoch 2, step 3: the training diverged: the loss is nan, first in layer 'projections.dense1.0.syn"
    )
    with pytest.raises(TrainingError, match=message):
        trained(model, tmp_path, objective=Trades(attack=Pgd(steps=1)), after_update=after_update, epochs=3)
    assert [path.name for path in (tmp_path / "epochs").iterdir()] == ["0001"]


@pytest.mark.parametrize("objective", [Plain(), Trades(attack=Pgd(steps=2))])
@pytest.mark.parametrize("make", [ann, snn])
def test_too_large_a_learning_rate_is_called_that(make, objective, tmp_path):
    message = r"epoch \d, step \d: the training diverged: .* use a smaller learning_rate, or clip|epoch \d: .* smaller"
    with pytest.raises(TrainingError, match=message):
        trained(make(), tmp_path, learning_rate=1e7, epochs=20, objective=objective)


def test_an_attack_whose_gradient_is_nan_names_the_divergence_with_epoch_and_step(tmp_path):
    message = (
        r"train: epoch \d, step \d: the training diverged: layers are finite, but attack 'pgd': .* is NaN; use a sm"
    )
    with pytest.raises(TrainingError, match=message):
        trained(snn(), tmp_path, learning_rate=1e6, epochs=9, objective=Trades(attack=Pgd(steps=2)))


def test_a_model_that_gives_nan_in_validation_is_named_with_the_epoch(tmp_path):
    """The update behind the last step of an epoch breaks a weight, so that the validation's attack meets it first."""
    model, count = ann(), iter(range(1, 100))

    def after_update():
        if next(count) == 3:
            with torch.no_grad():
                model.projections_into("readout")[0].synapses.weight.fill_(torch.nan)

    message = r"train: epoch 1, validation: the training diverged: the loss is nan, first in layer 'projections.readout"
    with pytest.raises(TrainingError, match=message):
        trained(model, tmp_path, objective=Adversarial(attack=Pgd(steps=1)), best="robust", after_update=after_update)


def test_a_gradient_that_is_no_number_names_the_parameter(tmp_path):
    model = ann()
    weight = model.projections_into("readout")[0].synapses.weight
    weight.register_hook(lambda gradient: gradient * torch.inf)
    with pytest.raises(
        TrainingError, match=r"step 1: the training diverged: the gradient of 'projections.readout.0.synapses.weight'"
    ):
        trained(model, tmp_path)


def shifted_norm(model, value):
    with torch.no_grad():
        norm = model.projections_into("conv2")[0].norm
        norm.weight.zero_()
        norm.bias.fill_(value)
    return model


@pytest.mark.parametrize(
    ("make", "value", "message"),
    [
        (ann, -5.0, r"epoch 2: no unit of 'conv2' is above zero on any training image"),
        (snn, -5.0, r"epoch 2: no neuron of 'conv2' fires on any training image; .* smaller learning_rate"),
        (snn, 50.0, r"epoch 2: every neuron of 'conv2' fires in every step; "),
    ],
)
def test_dead_and_exploding_layers_stop_the_training(make, value, message, tmp_path):
    with pytest.raises(TrainingError, match=message):
        trained(shifted_norm(make(), value), tmp_path, learning_rate=1e-6, epochs=3)
    assert [path.name for path in (tmp_path / "epochs").iterdir()] == ["0001"]


def test_a_layer_that_wakes_up_goes_on(tmp_path):
    """Silent behind the first epoch, in which nothing is trained; the second one raises its rate."""
    model = shifted_norm(snn(), -5.0)
    norm, count = model.projections_into("conv2")[0].norm, iter(range(1, 100))

    def after_update():
        if next(count) == 5:
            norm.bias.data.fill_(1.0)

    fitted = trained(model, tmp_path, learning_rate=1e-6, epochs=2, after_update=after_update)
    assert fitted.history[0]["rates"]["conv2"] == 0
    assert fitted.history[1]["rates"]["conv2"] > 0


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"seed": 4}, "another seed;"),
        ({"learning_rate": 0.1}, "another settings;"),
        ({"objective": Trades()}, "another objective;"),
        ({"data": dataset(65)}, "another dataset;"),
    ],
    ids=["seed", "settings", "objective", "dataset"],
)
def test_checkpoints_of_another_training_are_refused(change, expected, tmp_path):
    trained(ann(), tmp_path)
    with pytest.raises(TrainingError, match=f"holds checkpoints of a training with {expected} remove the folder"):
        trained(ann(), tmp_path, **change)


def test_checkpoints_of_another_network_are_refused(tmp_path):
    trained(ann(), tmp_path)
    with pytest.raises(TrainingError, match="with another starting weights;"):
        trained(ann(1), tmp_path)
    with pytest.raises(TrainingError, match="with another network, another kind of neuron, another starting weights;"):
        trained(snn(), tmp_path)


def test_checkpoints_of_the_same_network_with_other_neurons_are_refused(tmp_path):
    trained(snn(), tmp_path)
    other = snn()
    other.spiking = msgspec.structs.replace(other.spiking, noise=0.2)
    with pytest.raises(TrainingError, match="with another kind of neuron;"):
        trained(other, tmp_path)


def test_a_checkpoint_that_does_not_fit_is_one_sentence_and_leaves_nothing(tmp_path):
    """The limit on a file's size stands for a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, before[1]))
    try:
        with pytest.raises(OutputError, match="this process may write files of"):
            trained(ann(), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list((tmp_path / "epochs").glob("[0-9]*"))


def with_extra(ratio=0.5, seed=9, **fields):
    return dataset(extra=split(40, seed), ratio=ratio, **fields)


def test_extra_images_are_trained_on_where_the_settings_take_them(tmp_path):
    alone, unused, other, mixed = ann(), ann(), ann(), ann()
    trained(alone, tmp_path / "alone")
    trained(unused, tmp_path / "unused", data=with_extra(), extra=False)
    trained(mixed, tmp_path / "mixed", data=with_extra())
    trained(other, tmp_path / "other", data=with_extra(seed=10))
    assert same(state(alone), state(unused))
    assert not same(state(alone), state(mixed))
    assert not same(state(other), state(mixed))


def test_updates_of_an_epoch_and_a_broken_training_with_extra_images(tmp_path):
    """60 own images in batches of 20, 5 of them extra: four updates an epoch, each own image once."""
    whole, again, count = ann(), ann(), []
    data = with_extra(ratio=0.25)
    trained(whole, tmp_path / "whole", data=data, epochs=3, after_update=lambda: count.append(0))
    assert len(count) == 12
    with pytest.raises(BrokenError):
        trained(ann(), tmp_path / "broken", data=data, epochs=3, after_update=breaking(7))
    trained(again, tmp_path / "broken", data=data, epochs=3)
    assert same(state(whole), state(again))
    with pytest.raises(TrainingError, match="a training with another dataset"):
        trained(ann(), tmp_path / "broken", data=with_extra(ratio=0.25, seed=10), epochs=3)


def test_a_leak_that_trains_stays_in_its_range_and_is_deployed(tmp_path):
    torch.manual_seed(0)
    model = SNN(SPECIFICATION, Spiking(steps=4, tau=0.9, train_tau=True))
    trained(model, tmp_path, epochs=2, learning_rate=0.1, objective=RobustKl())
    leaks = [float(neurons.tau.detach()) for neurons in model.neuron_list()]
    assert all(0 <= leak <= 1 for leak in leaks)
    assert all(abs(leak - 0.9) > 1e-3 for leak in leaks)
    checkpoint.write(model, tmp_path / "model.safetensors")
    read = checkpoint.read(tmp_path / "model.safetensors").eval()
    assert [float(neurons.tau.detach()) for neurons in read.neuron_list()] == leaks
    decays = [population.neuron.decay_potential for population in lower(read).spiking]
    assert [float(np.ravel(decay)[0]) for decay in decays] == pytest.approx([1 - leak for leak in leaks], abs=1e-7)
