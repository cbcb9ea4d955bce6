"""What every shipped quantizer must do, file by file of conf/quantizer.

Axes: B images, h w latent positions, K codes, D latent width, Q codebooks.
"""

import copy
import time

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from torch import Tensor

from vqx.collectives import rank, sum_over_ranks, world_size
from vqx.config import conf_dir, register_resolvers
from vqx.quantizers import Quantizer, check_contracts
from vqx.quantizers.dropout import ABSENT

NAMES = sorted(path.stem for path in (conf_dir() / "quantizer").glob("*.yaml"))
_BUILT: dict[str, Quantizer] = {}


def _quantizer(name: str) -> Quantizer:
    """The shipped quantizer as a run builds it, initialised, in training mode; a fresh copy."""
    if name not in _BUILT:
        register_resolvers()
        with initialize_config_dir(version_base="1.3", config_dir=str(conf_dir())):
            config = compose("config", overrides=[f"quantizer={name}"])
        torch.manual_seed(0)
        quantizer = instantiate(config.quantizer, _convert_="all")
        quantizer.set_epoch_length(10, run=100)
        if quantizer.needs_initialization:
            mine = _latents(quantizer, 8).chunk(world_size())[rank()]
            quantizer.initialize(mine, generator=_seeded())
        _BUILT[name] = quantizer.train()
    return copy.deepcopy(_BUILT[name])


def _seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _latents(quantizer: Quantizer, images: int, size: int = 4) -> Tensor:
    return torch.randn(images, quantizer.latent_channels, size, size, generator=_seeded())


def test_all_contracts_within_seconds():
    """Of all families at their shipped size, together 5 s on two cores: 10 s of processor time."""
    quantizers = [_quantizer(name) for name in NAMES]
    start = time.process_time()
    for quantizer in quantizers:
        check_contracts(quantizer, device="cpu")
    assert time.process_time() - start < 10  # of both cores


def test_the_families_of_the_field_are_here():
    wanted = "vq ema cosine gumbel entropy fsq sfsq ifsq lfq bsq soft simvq ibq"
    assert set(wanted.split()) <= set(NAMES)
    assert {"residual_vq", "residual_fsq", "residual_lfq", "product_vq"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_memory_layout_changes_nothing(name):
    quantizer = _quantizer(name).eval()
    z = _latents(quantizer, 2)
    strided = torch.zeros(*z.shape[:2], 8, 8)[:, :, ::2, ::2]
    strided.copy_(z)
    expected = quantizer(z)
    for other in (z.contiguous(memory_format=torch.channels_last), strided):
        out = quantizer(other)
        assert torch.equal(out.codes, expected.codes)
        torch.testing.assert_close(out.latents, expected.latents)
        assert out.latents.is_contiguous()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_and_low_precision_are_quantized_in_float32(name, dtype):
    quantizer = _quantizer(name).eval()
    z = _latents(quantizer, 2).to(dtype)
    expected = quantizer(z.float())
    with torch.autocast("cpu", dtype=dtype):
        out = quantizer(z)
    assert torch.equal(out.codes, expected.codes)
    assert torch.equal(out.latents, expected.latents)
    assert out.latents.dtype == out.loss.dtype == torch.float32


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("images", ["equal tokens", "zeros", "huge", "one token", "odd count"])
def test_unusual_batches_stay_finite(name, images):
    """All tokens on one code, no length, far out, a single token, counts no chunk divides."""
    quantizer = _quantizer(name)
    z = _latents(quantizer, 3, size=5)
    z = {
        "equal tokens": z[:1, :, :1, :1].expand(4, -1, 4, 4),
        "zeros": torch.zeros_like(z),
        "huge": 1e4 * z,
        "one token": z[:1, :, :1, :1],
        "odd count": z[:, :, :, :3],
    }[images]
    for _ in range(2):
        leaf = z.clone().requires_grad_()
        out = quantizer(leaf)
        (out.loss + out.latents.square().mean()).backward()
        quantizer.update_codebook(generator=_seeded())
        assert out.loss.isfinite()
        assert out.latents.isfinite().all()
        assert leaf.grad.isfinite().all()
        assert all(p.grad is None or p.grad.isfinite().all() for p in quantizer.parameters())
        lowest = ABSENT if quantizer.codebooks > 1 else 0
        assert out.codes.min() >= lowest
        assert out.codes.max() < quantizer.codebook_size
    assert all(x.isfinite().all() for x in quantizer.state_dict().values())


@pytest.mark.parametrize("name", NAMES)
def test_a_nan_is_seen_and_breaks_no_index(name):
    quantizer = _quantizer(name)
    z = _latents(quantizer, 2)
    z[0, 0, 0, 0] = torch.nan
    out = quantizer(z)
    assert out.loss.isnan() or out.latents.isnan().any() or out.stats["latent_norm"].isnan()
    assert out.codes.max() < quantizer.codebook_size
    quantizer.decode(out.codes)


def _trained(name: str, accumulation: int) -> tuple[Tensor, Tensor, Tensor, dict[str, Tensor]]:
    """Loss of the last step, its gradient at z and at the parameters, state, after 3 steps."""
    quantizer = _quantizer(name)
    generator = _seeded()
    for step in range(3):
        z = _latents(quantizer, 8) * (1 + step / 4)
        z = z.requires_grad_()
        micro_batches = z.chunk(world_size())[rank()].chunk(accumulation)
        if quantizer.needs_survey and accumulation > 1:
            for micro in micro_batches:
                quantizer.survey(micro)
        loss = torch.zeros(())
        for micro in micro_batches:
            loss = loss + quantizer(micro).loss * len(micro) / 8
        leaves = [z, *quantizer.parameters()]
        if loss.requires_grad:
            found = torch.autograd.grad(loss, leaves, materialize_grads=True, allow_unused=True)
        else:
            found = tuple(torch.zeros_like(x) for x in leaves)
        quantizer.update_codebook(generator=generator)
    state = {key: x.clone() for key, x in quantizer.state_dict().items()}
    at_parameters = torch.cat([torch.zeros(1), *(x.flatten() for x in found[1:])])
    return (*map(sum_over_ranks, (loss, found[0], at_parameters)), state)


def _assert_same(actual, expected) -> None:
    torch.testing.assert_close(actual[0], expected[0], rtol=1e-3, atol=1e-5)
    for gradient, wanted in zip(actual[1:3], expected[1:3], strict=True):
        size = float(wanted.abs().max())
        torch.testing.assert_close(gradient, wanted, rtol=1e-2, atol=1e-3 * size + 1e-9)
    for key, x in expected[3].items():
        torch.testing.assert_close(actual[3][key], x, rtol=1e-3, atol=1e-4, msg=key)


def _skip_if_stochastic(name: str) -> None:
    if _quantizer(name).stochastic:
        pytest.skip(f"{name} draws random numbers in training: its parts draw others")


@pytest.mark.parametrize("name", NAMES)
def test_world_size_and_accumulation_change_nothing(two_ranks, name):
    _skip_if_stochastic(name)
    expected = _trained(name, 1)
    _assert_same(_trained(name, 4), expected)
    for result in two_ranks(_trained, name, 2):
        _assert_same(result, expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_four_ranks_equal_one(four_ranks, name):
    _skip_if_stochastic(name)
    expected = _trained(name, 1)
    for result in four_ranks(_trained, name, 1):
        _assert_same(result, expected)


@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_goes_on_bit_for_bit(name):
    quantizer, loaded = _quantizer(name), _quantizer(name)
    for _ in range(2):
        quantizer(_latents(quantizer, 4))
        quantizer.update_codebook(generator=_seeded())
    loaded.load_state_dict(quantizer.state_dict())
    for one in (quantizer, loaded):
        torch.manual_seed(3)
        one(_latents(quantizer, 4))
        one.update_codebook(generator=_seeded())
    actual = loaded.state_dict()
    assert all(torch.equal(actual[key], x) for key, x in quantizer.state_dict().items())
