"""What scalar quantizers share: codes of levels, gradients, layouts, casts, what is kept."""

import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from vqx.errors import ConfigError
from vqx.quantizers import check_contracts
from vqx.quantizers.fsq import FSQ
from vqx.quantizers.ifsq import IFSQ
from vqx.quantizers.residual_fsq import ResidualFSQ
from vqx.quantizers.sfsq import SFSQ
from vqx.quantizers.statistics import commitment_ratio

MAKE = {
    "fsq": lambda: FSQ([8, 5, 5, 5]),
    "fsq tan": lambda: FSQ([8, 4], fsq_shift="tan", eps=-1e-3),
    "fsq one bit": lambda: FSQ([2]),
    "sfsq": lambda: SFSQ([8, 5, 5, 5]),
    "sfsq bits": lambda: SFSQ([2, 2, 2]),
    "ifsq": lambda: IFSQ([8, 6, 5]),
    "ifsq one channel": lambda: IFSQ([7]),
    "residual": lambda: ResidualFSQ([8, 5, 2], 3),
    "residual one stage": lambda: ResidualFSQ([4, 3], 1),
    "residual bits": lambda: ResidualFSQ([2], 24),
    "residual dropout": lambda: ResidualFSQ([5, 5], 4, quantizer_dropout=0.5),
}
every_kind = pytest.mark.parametrize("kind", MAKE)


def _latents(quantizer, *, seed=0, batch=3):
    shape = batch, quantizer.latent_channels, 5, 4
    return 2 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@every_kind
def test_keeps_the_contracts(kind):
    check_contracts(MAKE[kind](), device="cpu")


@every_kind
def test_gradient_is_that_of_the_bound_in_units_of_latents(kind):
    quantizer = MAKE[kind]()
    z = _latents(quantizer).requires_grad_()
    upstream = torch.randn(z.shape)
    (actual,) = torch.autograd.grad(quantizer(z).latents, z, upstream)
    (expected,) = torch.autograd.grad(quantizer.compared(z), z, upstream)
    torch.testing.assert_close(actual, expected)


@every_kind
def test_layout_of_z_changes_nothing(kind):
    quantizer = MAKE[kind]().eval()
    z = _latents(quantizer)
    wide = torch.randn(3, 2 * quantizer.latent_channels, 5, 7)
    wide[:, ::2, :, 1:5] = z
    expected = quantizer(z)
    expected_gradient = _gradient(quantizer, z)
    for other in (z.to(memory_format=torch.channels_last), wide[:, ::2, :, 1:5]):
        out = quantizer(other)
        assert torch.equal(out.codes, expected.codes)
        assert torch.equal(out.latents, expected.latents)
        assert out.latents.is_contiguous()
        assert torch.equal(_gradient(quantizer, other), expected_gradient)


def _gradient(quantizer, z):
    z = z.detach().requires_grad_()
    latents = quantizer(z).latents
    weights = torch.arange(z.numel()).view(z.shape) / z.numel()
    return torch.autograd.grad(latents, z, weights)[0].contiguous()


@every_kind
def test_a_cast_of_the_model_leaves_codes_and_latents_as_they_are(kind):
    quantizer = MAKE[kind]().eval()
    z = _latents(quantizer)
    expected = quantizer(z)
    for dtype in (torch.bfloat16, torch.float16, torch.float64):
        out = MAKE[kind]().eval().to(dtype)(z)
        assert out.latents.dtype == torch.float32
        assert torch.equal(out.codes, expected.codes)
        assert torch.equal(out.latents, expected.latents)


@every_kind
def test_commitment_ratio_is_that_of_the_compared_latents(kind):
    quantizer = MAKE[kind]()
    z = _latents(quantizer)
    out = quantizer(z)
    expected = commitment_ratio(quantizer.compared(z), out.latents)
    torch.testing.assert_close(out.stats["commitment_ratio"], expected)
    assert out.loss.item() == 0
    assert not quantizer.state_dict()


@every_kind
def test_a_nan_in_one_channel_is_a_nan_there_and_a_code_in_range(kind):
    quantizer = MAKE[kind]()
    z = _latents(quantizer)
    z[0, -1, 2, 3] = torch.nan
    out = quantizer(z)
    assert out.latents.isnan().nonzero().tolist() == [[0, z.shape[1] - 1, 2, 3]]
    assert 0 <= out.codes[0].min() <= out.codes[0].max() < quantizer.codebook_size


@every_kind
def test_infinite_latents_are_the_outer_levels(kind):
    quantizer = MAKE[kind]().eval()
    z = torch.full((1, quantizer.latent_channels, 1, 2), torch.inf)
    z[..., 0] = -torch.inf
    codes = quantizer(z).codes.view(2, -1)[:, 0]
    assert codes.tolist() == [0, quantizer.codebook_size - 1]


@pytest.mark.parametrize("levels", [[2] * 24, [16, 16, 256, 255], [5] * 22, [2**26, 2], [3, 2**50]])
def test_large_codebooks_have_exact_codes(levels):
    quantizer = SFSQ(levels)
    digits = torch.stack([torch.randint(level, (50,)) for level in levels])[None, :, None]
    digits[..., -1] = torch.tensor(levels)[None, :, None] - 1
    rounded = digits.double() if max(levels) > 2**24 else digits.float()
    codes = quantizer.codes_of(rounded, 0.0)
    for token, code in zip(digits[0, :, 0].T.tolist(), codes.flatten().tolist(), strict=True):
        places = [math.prod(levels[:i]) for i in range(len(levels))]
        assert code == sum(digit * place for digit, place in zip(token, places, strict=True))
    assert torch.equal(quantizer.digits(codes), digits)


class _Operations(TorchDispatchMode):
    """Names of the operations that run inside."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


@every_kind
def test_codes_need_no_matrix_product_which_may_be_of_low_precision(kind):
    quantizer = MAKE[kind]()
    with _Operations() as operations:
        quantizer.decode(quantizer(_latents(quantizer)).codes)
    assert "sum" in operations.names
    assert not operations.names & {"mm", "bmm", "addmm", "mv", "dot", "convolution", "baddbmm"}


@pytest.mark.parametrize("kind", ["fsq", "sfsq", "ifsq", "residual"])
def test_one_tensor_of_latents_is_kept_for_the_backward_pass(kind):
    quantizer = MAKE[kind]()
    z = torch.randn(4, quantizer.latent_channels, 16, 16, requires_grad=True)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x) or x, lambda x: x):
        quantizer(z)
    assert sum(x.numel() for x in kept) <= z.numel() + quantizer.latent_channels


def test_a_second_derivative_is_refused_not_wrong():
    z = torch.randn(1, 2, 2, 2, requires_grad=True)
    latents = FSQ([5, 5])(z).latents
    (gradient,) = torch.autograd.grad(latents.square().sum(), z, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fsq", "residual"])
def test_compiles_as_one_graph(kind):
    quantizer = MAKE[kind]()
    compiled = torch.compile(quantizer, fullgraph=True, backend="aot_eager")
    for seed in (0, 1):
        z = _latents(quantizer, seed=seed)
        actual, expected = compiled(z), quantizer(z)
        assert torch.equal(actual.codes, expected.codes)
        assert torch.equal(actual.latents, expected.latents)
        compiled_gradient = _gradient(compiled, z)
        torch.testing.assert_close(compiled_gradient, _gradient(quantizer, z))


@pytest.mark.parametrize("family", [FSQ, SFSQ, IFSQ, lambda levels: ResidualFSQ(levels, 2)])
@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ([], "whole numbers"),
        ([8, 1], "whole numbers"),
        ([8, 5.5], "whole numbers"),
        ("85", "use a list"),
        (8, "use a list"),
        ([8] * 18, r"2\*\*53"),
    ],
)
def test_wrong_levels_are_named(family, levels, message):
    with pytest.raises(ConfigError, match=f"FSQ levels .*{message}"):
        family(levels)
