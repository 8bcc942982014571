"""The worst case over members, against every member on every image alone."""

import functools
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from spikeport.export.errors import AttackError, OutputError
from spikeport.toolchain.attacks.ensemble import Member, paper_members
from spikeport.toolchain.attacks.fgsm import Fgsm
from spikeport.toolchain.attacks.gradients.expectation import Expectation
from spikeport.toolchain.attacks.gradients.rate import Rate
from spikeport.toolchain.attacks.noise import each_image
from spikeport.toolchain.attacks.pgd import Pgd
from spikeport.toolchain.attacks.square import Square
from spikeport.toolchain.evaluation import rounded_inside
from spikeport.toolchain.robustness import part
from spikeport.toolchain.robustness.part import Rules
from spikeport.toolchain.robustness.worst_case import worst_case
from tests.toolchain.networks import images, snn
from tests.toolchain.robustness.members import EPSILON, MEMBERS, Integers, data, network

RULES = Rules(epsilon=EPSILON, seed=5, levels=None, every_member=True)


def found(model=None, members=MEMBERS, **others):
    """Run with settings of the tests."""
    settings = {"epsilon": EPSILON, "seed": 5, "batch_size": 8, "batches": 1} | others
    images, labels = settings.pop("data", None) or data()
    return worst_case(network() if model is None else model, members, images, labels, **settings)


@functools.cache
def one_by_one(levels=None, judge=None):
    """Return which members break which images, each run alone on one image: (members, N), and the images."""
    model, (images, labels) = network(), data()
    success, attacked = torch.zeros(len(MEMBERS), len(images), dtype=torch.bool), {}
    for row, member in enumerate(MEMBERS):
        for number in range(len(images)):
            at, label = images[number : number + 1], labels[number : number + 1]
            generator = each_image(RULES.seeds(member, [number]))
            moved = member.attack.perturb(model, at, label, epsilon=EPSILON, generator=generator)
            moved = moved if levels is None else rounded_inside(moved, at, EPSILON, levels)
            with torch.no_grad():
                success[row, number] = (judge or model)(moved).argmax(1) != label
            attacked[row, number] = moved[0]
    return success, attacked


def same(first, second, *, images=True):
    """Whether two results agree in everything but seconds."""
    names = ("right", "tried", "success", "margin", *(("worst",) if images else ()))
    counts = [[(m.name, m.tried, m.broken, m.queries, m.robust) for m in each.members] for each in (first, second)]
    equal = all(torch.equal(getattr(first, name), getattr(second, name)) for name in names)
    return equal and counts[0] == counts[1] and first.order == second.order and first.robust == second.robust


@pytest.mark.parametrize("levels", [None, 255])
def test_every_member_breaks_what_it_breaks_alone_on_one_image(levels):
    result = found(every_member=True, levels=levels)
    success, attacked = one_by_one(levels)
    right = result.right
    assert right.tolist() == [False] * 4 + [True] * 44
    assert bool(result.tried[:, right].all())
    assert not result.tried[:, ~right].any()
    assert torch.equal(result.success, success & right)
    assert torch.equal(result.standing, right & ~success.any(0))
    assert 0 < result.standing.sum() < 40
    for row, member in enumerate(result.members):
        expected = float((right & ~success[row]).double().mean())
        assert member.robust == pytest.approx(expected, abs=1e-12)
        assert member.robust_error == pytest.approx(math.sqrt(expected * (1 - expected) / 48))
        assert member.broken == int((success[row] & right).sum())
    for number in right.nonzero()[:, 0].tolist():
        assert any(torch.allclose(result.worst[number], attacked[row, number], atol=1e-12) for row in range(5))
    for number in range(4, 8):  # of the first part, whose members run as they are given
        first = success[:, number].nonzero()[:1, 0].tolist()
        assert all(torch.allclose(result.worst[number], attacked[row, number], atol=1e-12) for row in first)


@pytest.mark.parametrize("levels", [None, 255, 51])
def test_dropping_loses_no_image_that_a_member_breaks(levels):
    """PGD's early stop adds images that are wrong on the way and right again at the end."""
    result, every = found(levels=levels), found(levels=levels, every_member=True)
    assert bool((result.standing <= every.standing).all())
    assert result.standing.sum() > 0
    assert result.clean == every.clean == 44 / 48
    assert result.robust == float(result.standing.double().mean())
    assert result.robust_error == pytest.approx(math.sqrt(result.robust * (1 - result.robust) / 48))
    assert result.queries < every.queries * 0.85
    assert bool((result.success.sum(0) <= 1).all())
    assert bool((result.tried[:, result.standing]).all())


def test_worst_images_are_in_the_ball_and_do_what_the_result_says():
    model, (images, labels) = network(), data()
    result = found()
    with torch.no_grad():
        wrong = model(result.worst).argmax(1) != labels
    assert torch.equal(wrong, ~result.standing)
    assert (result.worst - images).abs().max() <= EPSILON + 1e-12
    assert torch.equal(result.worst[:4], images[:4])
    assert bool(((result.margin > 0) == wrong).all())
    assert bool((result.worst[result.standing] != images[result.standing]).any(3).any(2).any(1).all())


def test_worst_images_of_robust_ones_have_the_largest_margin():
    success, attacked = one_by_one()
    result = found(every_member=True)
    for number in result.standing.nonzero()[:, 0].tolist():
        with torch.no_grad():
            logits = network()(torch.stack([attacked[row, number] for row in range(len(MEMBERS))]))
        label = data()[1][number]
        others = logits.clone()
        others[:, label] = -torch.inf
        margins = others.amax(1) - logits[:, label]
        assert float(result.margin[number]) == pytest.approx(float(margins.max()), abs=1e-9)
    assert not success[:, result.standing].any()


def test_strongest_members_go_first_in_later_parts():
    result = found()
    first, last = result.tried[:, :8], result.tried[:, 40:]
    right = result.right[:8]
    assert bool(first[0][right].all())
    assert result.order[0] in {"sign", "strong", "margin"}
    assert result.order.index("weak") > 2
    assert last.sum(1)[0] < 8
    row = [member.name for member in result.members].index(result.order[0])
    assert bool(last[row].all())
    assert [member.name for member in result.members] == [member.name for member in MEMBERS]
    assert sum(member.broken for member in result.members) == int((result.right & ~result.standing).sum())


def test_numbers_of_an_image_follow_from_seed_member_and_number():
    images, labels = data()
    whole = found(every_member=True, members=MEMBERS[1:4])
    small = found(every_member=True, members=MEMBERS[1:4][::-1], batch_size=7)
    assert torch.equal(whole.success, small.success.flip(0))
    assert same(found(), found())
    other = found(every_member=True, members=MEMBERS[1:4], seed=6)
    assert not torch.equal(whole.worst, other.worst)
    renamed = [Member(name="else", attack=MEMBERS[1].attack)]
    alone, again = (
        found(every_member=True, members=members, data=(images, labels)) for members in (MEMBERS[1:2], renamed)
    )
    assert not torch.equal(alone.worst, again.worst)


@pytest.mark.parametrize("levels", [None, 255])
def test_several_batches_in_a_part_change_no_image(levels):
    """Without dropping, every image is attacked alike; with it, what stands of all batches goes on together."""
    one, four = (found(every_member=True, levels=levels, batches=batches) for batches in (1, 4))
    assert torch.equal(one.success, four.success)
    assert torch.allclose(one.worst[one.standing], four.worst[one.standing], atol=1e-12)
    one, four = (found(levels=levels, batches=batches) for batches in (1, 4))
    assert torch.equal(one.standing, four.standing)


def test_what_stands_of_a_part_is_tried_in_full_batches():
    """FGSM takes a pass with a gradient and one that decides; the same again breaks no more."""
    model, sizes = network(), []
    model.register_forward_hook(lambda _module, given, _made: sizes.append(len(given[0])))
    result = found(model, [Member(name=f"sign {number}", attack=Fgsm()) for number in range(3)], batches=6)
    standing = int(result.standing.sum())
    assert 8 < standing < 36

    def passes(count):
        return [8, 8] * (count // 8) + [count % 8] * 2 * (count % 8 > 0)

    assert sizes[2:] == [8] * 6 + passes(44) + passes(standing) * 2  # behind two checks of one image


@pytest.mark.parametrize("batches", [1, 4])
def test_queries_are_the_images_of_all_passes(batches):
    result = found(batches=batches, every_member=True, members=[Member(name="pgd", attack=Pgd(steps=4, restarts=2))])
    assert result.members[0].queries == 44 * (2 * (4 + 1) + 1)
    assert result.queries == result.members[0].queries
    assert result.members[0].seconds > 0


def test_a_judge_decides_in_place_of_the_model():
    integers, (images, labels) = Integers().eval(), data()
    success, _ = one_by_one(255, integers)
    result = found(every_member=True, levels=255, judge=integers)
    with torch.no_grad():
        right = integers(images).argmax(1) == labels
        assert torch.equal(integers(result.worst).argmax(1) != labels, ~result.standing)
    assert torch.equal(result.right, right)
    assert torch.equal(result.success, success & right)
    assert result.members[0].queries == int(right.sum()) * 1


@pytest.mark.parametrize("module", [False, True])
def test_scores_without_a_gradient_are_attacked_by_members_that_need_none(module):
    integers, members = Integers().eval(), [Member(name="square", attack=Square(queries=40))]
    result = found(integers if module else integers.forward, members, levels=255)
    with torch.no_grad():
        assert torch.equal(integers(result.worst).argmax(1) != data()[1], ~result.standing)
    assert 0 < result.members[0].broken < result.members[0].tried == int(result.right.sum())
    assert bool((result.worst * 255 - (result.worst * 255).round()).abs().max() < 1e-4)
    assert result.members[0].queries > 40 * result.standing.sum()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_network_on_a_gpu_is_attacked_there():
    model, clean = snn(), images(40)
    with torch.no_grad():
        labels = model(clean).argmax(1)
    settings = {"data": (clean, labels), "epsilon": 2 / 255, "members": paper_members(Pgd(steps=2))}
    here, there = found(model, **settings), found(snn().cuda(), **settings)
    assert there.worst.device.type == "cpu"
    assert abs(here.robust - there.robust) < 0.1
    assert same(there, found(snn().cuda(), **settings))


def test_result_is_plain_numbers_and_names():
    result = found()
    table = json.loads(json.dumps(result.to_dict()))
    assert table["robust"] == result.robust
    assert table["queries"] == sum(each["queries"] for each in table["members"])
    assert table["members"][3]["attack"]["kind"] == "pgd"
    assert table["members"][3]["strength"] == result.members[3].strength
    assert "worst" not in table
    assert "worst" not in repr(result)


def test_epsilon_zero_leaves_what_is_right():
    result = found(epsilon=0.0)
    assert result.robust == result.clean


SCRIPT = """
import os, signal, sys
from pathlib import Path
from spikeport.toolchain.robustness import part
from spikeport.toolchain.robustness.worst_case import worst_case
from tests.toolchain.robustness.members import EPSILON, MEMBERS, data, network

part.SECONDS, write, written = 0.0, part.Part.write, []
def ending(self, path):
    write(self, path)
    written.append(path)
    if len(written) == 9:
        os.kill(os.getpid(), signal.SIGKILL)
part.Part.write = ending
worst_case(network(), MEMBERS, *data(), epsilon=EPSILON, seed=5, batch_size=8, batches=2, folder=Path(sys.argv[1]))
"""


def killed(folder):
    """Start a run that is killed between two batches of a member of its second part."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder)], check=False, capture_output=True, text=True,
        cwd=Path(__file__).parents[3], env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_result(tmp_path, monkeypatch):
    killed(tmp_path)
    kept = [part.read(path) for path in sorted(tmp_path.glob("part-*.npz"))]
    assert [each.done for each in kept] == [5, 0]
    assert (kept[1].decided, len(kept[1].right)) == (8, 16)
    calls, run = [], part._with_next
    monkeypatch.setattr(part, "_with_next", lambda *given: calls.append(1) or run(*given))
    resumed, resuming = found(folder=tmp_path, batches=2), len(calls)
    assert same(resumed, found(batches=2))
    assert len(calls) - resuming == resuming + 9
    del calls[:]
    assert same(found(folder=tmp_path, batches=2), resumed)
    assert not calls


class Here:
    """An executor in this process, which gives results back the wrong way round."""

    def submit(self, work, **named):
        from concurrent.futures import Future  # noqa: PLC0415

        future = Future()
        future.set_result(work(**named))
        return future


def test_an_executor_of_the_caller_is_given_the_parts(tmp_path):
    result = found(executor=Here(), folder=tmp_path)
    assert same(result, found())
    assert len(list(tmp_path.glob("part-*.npz"))) == 6
    assert same(found(folder=tmp_path), result)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"seed": 6}, "seed"),
        ({"epsilon": 0.5}, "epsilon"),
        ({"members": MEMBERS[:2]}, "members"),
        ({"levels": 255}, "levels"),
        ({"batch_size": 20}, "batch_size, part_size"),
        ({"batches": 2}, "part_size"),
        ({"every_member": True}, "every_member"),
        ({"model": network(4)}, "model"),
        ({"data": data(wrong=5)}, "labels"),
        ({"judge": network()}, "judge"),
    ],
)
def test_a_folder_of_another_run_is_refused(change, word, tmp_path):
    found(folder=tmp_path, members=MEMBERS[:1])
    change = {"members": MEMBERS[:1]} | change
    with pytest.raises(OutputError, match=rf"holds the worst case of another run \(another {word}\)"):
        found(folder=tmp_path, **change)


def test_parts_of_something_unknown_say_what_it_is(tmp_path):
    with pytest.raises(AttackError, match="give identity, such as a digest"):
        found(judge=Integers().eval().forward, folder=tmp_path)
    result = found(judge=Integers().eval().forward, folder=tmp_path, identity="one")
    assert same(result, found(judge=Integers().eval().forward, folder=tmp_path, identity="one"))
    with pytest.raises(OutputError, match="another identity"):
        found(judge=Integers().eval().forward, folder=tmp_path, identity="two")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epsilon": 8.0}, "epsilon is 8.0; expected 0 to 1"),
        ({"data": (data()[0] * 255, data()[1])}, r"images reach from .* to 255; expected pixels in \[0, 1\]"),
        ({"data": (data()[0], data()[1] * 5 + 1)}, "labels reach from 1 to 6; the network has classes 0 to 4"),
        ({"data": (data()[0][:0], data()[1][:0])}, "no images to attack; the split is empty"),
        ({"data": (data()[0], data()[1][:5])}, r"labels torch.int64 \(5,\) for 48 images"),
        ({"model": nn.Sequential(nn.Flatten(), nn.BatchNorm1d(128))}, r"layer 1 \(BatchNorm1d\) is in training mode"),
        ({"members": []}, "no members"),
        ({"members": MEMBERS[:1] * 2}, "two members are named 'weak'"),
        ({"model": Integers().eval()}, r"5 members \('weak', 'random', 'sign', ...\) need the gradient .* has none"),
        ({"model": lambda x: np.zeros((len(x), 5)) + x.numpy().sum()}, "need the gradient .* and function has none"),
        ({"members": paper_members(Fgsm())}, "gradient 'surrogate' needs a spiking network, not Sequential"),
        (
            {"members": [Member(name="draws", attack=Pgd(gradient=Expectation(of=Rate())))]},
            "gradient 'rate' needs a spiking network, not Sequential",
        ),
        ({"model": nn.Identity().eval()}, r"gives scores \(1, 2, 8, 8\) for 1 images; expected"),
        ({"batch_size": 0, "batches": -1}, "found batch_size 0 and batches -1; expected 1 or more"),
        ({"workers": 0}, "found workers 0; expected 1 or more"),
    ],
)
def test_what_cannot_be_attacked_is_refused_before_anything_runs(change, message, tmp_path):
    with pytest.raises(AttackError, match=message):
        found(folder=tmp_path / "new", **change)
    assert not (tmp_path / "new").exists()


def test_the_ensemble_of_the_paper_runs_on_a_spiking_network():
    model, clean = snn(), images(20)
    with torch.no_grad():
        labels = model(clean).argmax(1)
    result = found(model, paper_members(Pgd(steps=2)), data=(clean, labels), every_member=True)
    assert len(result.members) == 19
    assert result.clean == 1
    assert result.robust <= min(member.robust for member in result.members)
    assert result.robust < max(member.robust for member in result.members)
