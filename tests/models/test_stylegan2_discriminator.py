"""StyleGAN2's discriminator: its size, its scale at the start, and its derivatives."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vqx.errors import ConfigError
from vqx.losses.adversarial import Adversarial
from vqx.models.equalized import EqualizedConv2d, EqualizedLinear, ScaledLeakyReLU
from vqx.models.stylegan2_discriminator import MinibatchDeviation, StyleGAN2Discriminator


def small(size: int = 16, *, group: int = 4, channels: int = 3) -> StyleGAN2Discriminator:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return StyleGAN2Discriminator(channels, size, width=1, max_width=8, group=group)


def images(count: int, size: int = 16) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(count, 3, size, size, generator=generator) * 2 - 1


@pytest.mark.parametrize(("settings", "millions"), [({}, 28.86), ({"width": 64}, 24.00)])
def test_parameters_at_256_pixels(settings: dict[str, int], millions: float) -> None:
    with torch.device("meta"):
        network = StyleGAN2Discriminator(3, 256, **settings)
    count = sum(p.numel() for p in network.parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.005)


@pytest.mark.parametrize("size", [8, 16, 64])
@pytest.mark.parametrize("group", [0, 3])
def test_every_power_of_two_gives_a_logit_an_image(size: int, group: int) -> None:
    assert small(size, group=group)(images(5, size)).shape == (5, 1)
    assert small(size, channels=1)(images(2, size)[:, :1]).shape == (2, 1)


@pytest.mark.parametrize("size", [0, 4, 24, 100])
def test_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(ConfigError, match=f"images of {size} px"):
        StyleGAN2Discriminator(3, size)


@pytest.mark.parametrize("keyword", ["width", "max_width", "group"])
def test_impossible_shapes_are_refused(keyword: str) -> None:
    with pytest.raises(ConfigError, match=f"{keyword} -1"):
        StyleGAN2Discriminator(3, 16, **{keyword: -1})


def test_layers_scale_their_unit_weights() -> None:
    torch.manual_seed(0)
    convolution = EqualizedConv2d(32, 64, 3, padding=1)
    assert float(convolution.weight.detach().std()) == pytest.approx(1, abs=0.02)
    x = torch.randn(4, 32, 8, 8)
    expected = F.conv2d(x, convolution.weight / math.sqrt(32 * 9), padding=1)
    torch.testing.assert_close(convolution(x), expected)
    linear = EqualizedLinear(64, 128)
    h = torch.randn(16, 64)
    torch.testing.assert_close(linear(h), h @ linear.weight.T / 8)
    convolution.bias.data += 1  # type: ignore[union-attr]
    torch.testing.assert_close(convolution(x), expected + 1)
    activated = ScaledLeakyReLU()(torch.tensor([-1.0, 1.0]))
    torch.testing.assert_close(activated, torch.tensor([-0.2, 1.0]) * math.sqrt(2))


def test_activations_keep_their_scale_to_the_end() -> None:
    torch.manual_seed(0)
    network = StyleGAN2Discriminator(3, 32, width=8, max_width=64, group=0)
    colours = torch.randn(32, 3, 1, 1).expand(-1, 3, 32, 32)  # no detail that a blur would take
    features = network.blocks(network.from_image(colours))
    for values in (features, network(colours)):
        assert 0.3 < float(values.detach().square().mean().sqrt()) < 3


def deviations_by_hand(x: Tensor, group: int) -> list[float]:
    values = []
    for start in range(0, len(x), group):
        part = x[start : start + group].double()
        mean = sum(part) / len(part)
        variance = sum((image - mean) ** 2 for image in part) / len(part)
        value = float((variance + 1e-8).sqrt().mean())
        values += [value] * len(part)
    return values


@pytest.mark.parametrize(("count", "group"), [(8, 4), (7, 3), (2, 4), (1, 4), (5, 1)])
def test_minibatch_deviation_by_hand(count: int, group: int) -> None:
    x = torch.randn(count, 5, 3, 2, generator=torch.Generator().manual_seed(0))
    out = MinibatchDeviation(group)(x)
    assert torch.equal(out[:, :5], x)
    assert (out[:, 5:] == out[:, 5:, :1, :1]).all()
    assert out[:, 5, 0, 0].tolist() == pytest.approx(deviations_by_hand(x, group), rel=1e-5)


def test_batches_cut_between_groups_give_the_same_logits() -> None:
    network, x = small(group=2), images(6)
    expected = network(x)
    torch.testing.assert_close(torch.cat([network(x[:2]), network(x[2:])]), expected)
    assert not torch.allclose(torch.cat([network(x[:3]), network(x[3:])]), expected)
    alone = small(group=0)
    torch.testing.assert_close(torch.cat([alone(x[:1]), alone(x[1:])]), alone(x))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_deviation_is_measured_in_float32(dtype: torch.dtype) -> None:
    x = torch.ones(4, 3, 2, 2, dtype=dtype, requires_grad=True)
    out = MinibatchDeviation(4)(x)
    assert out.dtype == dtype
    out.sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("repeated", [False, True])
def test_r1s_gradient_is_finite_even_without_deviation(repeated: bool) -> None:
    loss = Adversarial(small(), r1_gamma=1.0)
    x = images(1).repeat(4, 1, 1, 1) if repeated else images(5)
    with loss.training_discriminator():
        penalty = loss.r1_penalty(x)
        penalty.backward()
    assert float(penalty.detach()) > 0
    for name, parameter in loss.discriminator.named_parameters():
        assert parameter.grad is None or torch.isfinite(parameter.grad).all(), name


def test_a_block_by_hand() -> None:
    """Blur, then convolve with stride 2, on both paths: the 1x1 one without the saved work."""
    block, x = small(group=0).blocks[0], torch.randn(2, 8, 16, 16)
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    blur = torch.outer(taps, taps)[None, None]

    def blurred(x: Tensor, pad: int) -> Tensor:
        return torch.cat([F.conv2d(F.pad(c, [pad] * 4), blur) for c in x.split(1, 1)], 1)

    wide = blurred(block.first(x), 2)
    main = F.conv2d(wide, block.second[0].weight / math.sqrt(9 * wide.shape[1]), stride=2)
    skip = F.conv2d(blurred(x, 1), block.skip.weight / math.sqrt(x.shape[1]), stride=2)
    expected = (F.leaky_relu(main, 0.2) * math.sqrt(2) + skip) / math.sqrt(2)
    torch.testing.assert_close(block(x), expected)


def test_a_shift_of_two_pixels_moves_the_blurred_features() -> None:
    block = small(32, group=0).blocks[0]
    x = torch.zeros(1, block.first[0].weight.shape[1], 32, 32)
    x[..., 12:14, 12:14] = 1.0
    moved = block(x.roll((2, 2), (2, 3)))
    torch.testing.assert_close(moved, block(x).roll((1, 1), (2, 3)))
    assert moved.shape[-2:] == (16, 16)


def test_it_learns_under_bfloat16() -> None:
    loss = Adversarial(small(), objective="non_saturating")
    optimizer = torch.optim.Adam(loss.discriminator.parameters(), lr=3e-3, betas=(0.0, 0.99))
    for _ in range(25):
        optimizer.zero_grad()
        with loss.training_discriminator(), torch.autocast("cpu", dtype=torch.bfloat16):
            value, stats = loss.discriminator_loss(images(8) * 0.5, images(8) * 0.1)
        with loss.training_discriminator():
            value.backward()
        optimizer.step()
    assert float(stats["logits_real"]) > float(stats["logits_fake"]) + 1
