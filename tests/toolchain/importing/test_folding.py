"""Batch norm of PyTorch networks folded in place: the same outputs, or a refusal that names the norm."""

import copy
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrizations, prune

import spikeport
from spikeport.export.errors import NetworkError
from tests.strategies import seeds

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def lively(module, seed=0):
    """Return a module in evaluation mode whose norms have statistics and parameters that are not the initial ones."""
    generator = torch.Generator().manual_seed(seed)

    def between(tensor, low, high):
        tensor.data.copy_(torch.rand(tensor.shape, generator=generator) * (high - low) + low)

    for norm in module.modules():
        if isinstance(norm, NORMS):
            if norm.track_running_stats:
                between(norm.running_mean, -1, 1)
                between(norm.running_var, 0.2, 3)
            if norm.affine:
                between(norm.weight, -2, 2)
                between(norm.bias, -1, 1)
    return module.eval()


class Residual(nn.Module):
    """A basic block of two convolutions and a 1x1 shortcut, each with its norm."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(4)
        self.conv2, self.bn2 = nn.Conv2d(4, 4, 3, padding=1, groups=2), nn.BatchNorm2d(4)
        self.down = nn.Sequential(nn.Conv2d(3, 4, 1, stride=2, bias=False), nn.BatchNorm2d(4))

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + self.down(x))


class Loop(nn.Module):
    """A layer that is called in every step of its input (T, N, C, H, W)."""

    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)

    def forward(self, x):
        return torch.stack([self.bn(self.conv(step)) for step in x])


NETWORKS = {
    "sequential": (
        lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 5)),
        (3, 2, 6, 6),
    ),
    "dense": (lambda: nn.Sequential(nn.Linear(6, 4, bias=False), nn.BatchNorm1d(4)), (3, 6)),
    "signal": (lambda: nn.Sequential(nn.Conv1d(2, 4, 3, bias=False), nn.BatchNorm1d(4, affine=False)), (3, 2, 9)),
    "nested": (
        lambda: nn.Sequential(nn.Sequential(nn.Conv3d(1, 2, 2)), nn.Sequential(nn.BatchNorm3d(2))),
        (2, 1, 3, 3, 3),
    ),
    "dropout": (lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.Identity(), nn.BatchNorm2d(4)), (3, 2, 6, 6)),
    "residual": (Residual, (2, 3, 8, 8)),
    "loop": (Loop, (4, 2, 2, 5, 5)),
}
TRACED = [name for name in NETWORKS if name not in ("loop", "dropout")]


@pytest.mark.parametrize(
    ("name", "given_example"), [*((name, True) for name in NETWORKS), *((name, False) for name in TRACED)]
)
def test_outputs_stay_and_no_norm_is_left(name, given_example):
    make, shape = NETWORKS[name]
    module, example = lively(make()), torch.randn(*shape, generator=torch.Generator().manual_seed(1))
    double, single = copy.deepcopy(module).double(), module
    expected = single(example), double(example.double())
    count = sum(isinstance(part, NORMS) for part in module.modules())
    for each, values, tolerance, output in ((single, example, 1e-5, 0), (double, example.double(), 1e-12, 1)):
        folded = spikeport.fold_batch_norm(each, values if given_example else None)
        assert len(folded) == count
        assert not any(isinstance(part, NORMS) for part in each.modules())
        torch.testing.assert_close(each(values), expected[output], rtol=tolerance, atol=tolerance)


@given(seed=seeds, bias=st.booleans(), groups=st.sampled_from([1, 2]), affine=st.booleans())
def test_any_statistics_fold_to_the_same_outputs(seed, bias, groups, affine):
    layers = nn.Conv2d(2, 4, 3, bias=bias, groups=groups, padding=1), nn.BatchNorm2d(4, affine=affine)
    module = lively(nn.Sequential(*layers), seed).double()
    example = torch.randn(2, 2, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed % 2**31))
    expected = module(example)
    assert spikeport.fold_batch_norm(module) == {"1": "0"}
    torch.testing.assert_close(module(example), expected, rtol=1e-12, atol=1e-12)


def test_names_of_other_layers_and_the_trainable_parameters_stay():
    module = lively(nn.Sequential(nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2)))
    weight = module[0].weight
    spikeport.fold_batch_norm(module)
    assert list(module.state_dict()) == ["0.weight", "0.bias", "3.weight", "3.bias"]
    assert module[0].weight is weight
    assert module[0].bias.requires_grad


def test_a_network_without_norm_stays_as_it_is():
    assert spikeport.fold_batch_norm(nn.Sequential(nn.Linear(2, 2))) == {}


def test_a_run_on_an_example_leaves_the_state_of_the_module():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.bn, self.calls = nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1), 0

        def forward(self, x):
            self.calls += 1
            return self.bn(self.conv(x))

    module = lively(Counting())
    spikeport.fold_batch_norm(module, torch.zeros(1, 1, 2, 2))
    assert module.calls == 0


class Twice(nn.Module):
    def __init__(self, use):
        super().__init__()
        self.a, self.b, self.bn = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)
        self.bn2, self.use = nn.BatchNorm2d(1), use

    def forward(self, x):
        return self.use(self, x)


def hooked(module):
    module.a.register_forward_hook(lambda *_: None)
    return module


def tied(module):
    module.b.weight = module.a.weight
    return module


def conv():
    return nn.Conv2d(1, 1, 1)


ELSEWHERE, BEHIND = "bn: the output of a also goes to", "is fed by .*; only a norm right behind"
FORWARDS = {
    "goes elsewhere": (lambda m, x: m.bn(y := m.a(x)) + m.bn2(m.b(x)) + y, f"{ELSEWHERE} the operation add"),
    "is an output": (lambda m, x: (y := m.a(x), m.bn(y), m.bn2(m.b(x))), f"{ELSEWHERE} the module's output"),
    "two norms": (lambda m, x: m.bn(y := m.a(x)) + m.bn2(y), f"{ELSEWHERE} bn2"),
    "two layers": (lambda m, x: m.bn(m.a(x)) + m.bn(m.b(x)) + m.bn2(x), "bn: is fed by a and b; expected one"),
    "before": (lambda m, x: m.bn2(m.b(torch.relu(m.bn(x)))), f"bn: {BEHIND}"),
    "after relu": (lambda m, x: m.bn2(m.b(m.bn(torch.relu(m.a(x))))), f"bn: {BEHIND}"),
    "unused": (lambda m, x: m.bn(m.a(x)), "bn2: is not used where the module was followed"),
}
COMPUTED = "0: its weight is computed from other tensors"
LAYERS = {
    "weight norm": (lambda: (parametrizations.weight_norm(conv()), nn.BatchNorm2d(1)), COMPUTED),
    "pruned": (lambda: (prune.l1_unstructured(conv(), "weight", 0.5), nn.BatchNorm2d(1)), f"{COMPUTED}.*prune.remove"),
    "transposed": (lambda: (nn.ConvTranspose2d(1, 1, 1), nn.BatchNorm2d(1)), f"1: {BEHIND}"),
    "no statistics": (lambda: (conv(), nn.BatchNorm2d(1, track_running_stats=False)), "1: keeps no running statistics"),
}


def plain(module, x):
    return module.bn2(module.b(module.bn(module.a(x))))


REFUSED = {
    **{name: (partial(Twice, use), message) for name, (use, message) in FORWARDS.items()},
    **{name: (lambda make=make: nn.Sequential(*make()), message) for name, (make, message) in LAYERS.items()},
    "hooks": (lambda: hooked(Twice(plain)), "a: has forward hooks"),
    "tied": (lambda: tied(Twice(plain)), "a: shares its weights with another layer"),
    "alone": (partial(nn.BatchNorm2d, 1), "the module is a BatchNorm2d alone"),
}


@pytest.mark.parametrize("observed", [True, False])
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_folded_is_refused_by_name_and_stays_untouched(name, observed):
    make, message = REFUSED[name]
    module = lively(make())
    example = torch.randn(2, 1, 3, 3)
    expected = module(example)
    with pytest.raises(NetworkError, match=message):
        spikeport.fold_batch_norm(module, example if observed else None)
    torch.testing.assert_close(module(example), expected, rtol=0, atol=0)


def test_training_mode_is_refused():
    with pytest.raises(NetworkError, match=r"1: is in training mode.*call module.eval\(\) first"):
        spikeport.fold_batch_norm(nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)))


def test_own_classes_with_own_arithmetic_are_refused():
    class Doubled(nn.BatchNorm2d):
        def forward(self, x):
            return 2 * super().forward(x)

    class Centred(nn.Conv2d):
        def forward(self, x):
            return super().forward(x - x.mean())

    for layers, name in (
        ((nn.Conv2d(1, 1, 1), Doubled(1)), "1: Doubled"),
        ((Centred(1, 1, 1), nn.BatchNorm2d(1)), "0: Cen"),
    ):
        with pytest.raises(NetworkError, match=name):
            spikeport.fold_batch_norm(lively(nn.Sequential(*layers)), torch.zeros(1, 1, 2, 2))


def test_a_norm_over_steps_instead_of_features_is_refused():
    module = lively(nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4)))
    with pytest.raises(NetworkError, match="1: is fed by 0 and axes other than the outputs of its Linear"):
        spikeport.fold_batch_norm(module, torch.zeros(2, 4, 6))


def test_what_torch_fx_cannot_follow_asks_for_an_example():
    with pytest.raises(NetworkError, match=r"torch.fx cannot follow the forward function of Loop .*give an example"):
        spikeport.fold_batch_norm(lively(Loop()))


def test_an_example_of_another_shape_is_refused():
    with pytest.raises(NetworkError, match="Residual does not run on the example"):
        spikeport.fold_batch_norm(lively(Residual()), torch.zeros(2, 5, 8, 8))
