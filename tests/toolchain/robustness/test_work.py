"""What a part is given, whoever computes it."""

import torch

from spikeport.toolchain.robustness.part import Rules
from spikeport.toolchain.robustness.work import Task, Work
from tests.toolchain.robustness.members import MEMBERS, data, network
from tests.toolchain.robustness.test_order import part


def test_the_order_of_a_part_is_that_of_half_of_the_parts_before_it():
    images, labels = data()
    rules = Rules(epsilon=0.1, seed=0, levels=None, every_member=False)
    task = Task(model=network(), judge=network(), members=tuple(MEMBERS[:3]), rules=rules)
    work = Work(task=task, images=images, labels=labels, batch_size=10, folder=None)
    before = [part([9, 9, 9], [9 * (row == number) for row in range(3)]) for number in (1, 1, 2, 2)]
    assert len(work) == 5
    assert [work.call(number, before[:number])["order"][0] for number in range(5)] == [0, 1, 1, 1, 1]
    assert work.call(4, before[:2])["order"] == work.call(4, before)["order"]
    assert torch.equal(work.call(4, before)["images"], images[40:])
    assert work.call(4, before)["first"] == 40
