"""What a part is given, whoever computes it."""

import pytest
import torch

from spikeport.toolchain.robustness.part import Rules
from spikeport.toolchain.robustness.work import Task, Work
from tests.toolchain.robustness.members import MEMBERS, data, network
from tests.toolchain.robustness.test_order import part


def test_the_order_of_a_part_is_that_of_half_of_the_parts_before_it():
    images, labels = data()
    rules = Rules(epsilon=0.1, seed=0, levels=None, every_member=False, batch_size=10)
    task = Task(model=network(), judge=network(), members=tuple(MEMBERS[:3]), rules=rules)
    work = Work(task=task, images=images, labels=labels, folder=None, batches=1)
    before = [part([9, 9, 9], [9 * (row == number) for row in range(3)]) for number in (1, 1, 2, 2)]
    assert len(work) == 5
    assert [work.call(number, before[:number])["order"][0] for number in range(5)] == [0, 1, 1, 1, 1]
    assert work.call(4, before[:2])["order"] == work.call(4, before)["order"]
    assert torch.equal(work.call(4, before)["images"], images[40:])
    assert work.call(4, before)["first"] == 40


@pytest.mark.parametrize(("images", "sizes"), [(48, [24, 24]), (33, [17, 16]), (32, [32]), (1, [1])])
def test_parts_have_about_equal_sizes(images, sizes):
    rules = Rules(epsilon=0.1, seed=0, levels=None, every_member=False, batch_size=8)
    task = Task(model=network(), judge=network(), members=(), rules=rules)
    work = Work(task=task, images=torch.zeros(images, 2), labels=torch.zeros(images), folder=None, batches=4)
    assert [len(work.call(number, [])["images"]) for number in range(len(work))] == sizes
