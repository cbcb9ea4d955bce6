"""The residual autoencoder: its levels, its options, and what they do not touch."""

import pytest
import torch
from torch import nn

from vqx.errors import ConfigError
from vqx.models.attention import GridAttention
from vqx.models.resnet import ResidualBlock, ResnetShape, resnet_autoencoder


def autoencoder(**options):
    torch.manual_seed(0)
    given = {"image_channels": 3, "latent_channels": 4, "width": 8, "blocks": 1}
    return resnet_autoencoder(**{**given, **options})


@pytest.mark.parametrize(
    ("downsampling", "multipliers", "widths"),
    [
        (4, None, [64, 128]),
        (8, None, [64, 128, 256]),
        (16, None, [64, 128, 256, 512]),
        (32, None, [64, 128, 256, 512, 512]),
        (8, [1, 1, 4], [64, 64, 256]),
    ],
)
def test_levels_follow_the_downsampling_or_the_multipliers(downsampling, multipliers, widths):
    assert ResnetShape(downsampling, 64, multipliers).widths() == widths


def test_every_level_has_its_blocks_and_widths_mirror():
    encoder, decoder = autoencoder(downsampling=8, blocks=2)

    def outputs(module):
        return [b.body[2].out_channels for b in module.modules() if isinstance(b, ResidualBlock)]

    assert outputs(encoder) == [8, 8, 16, 16, 32, 32, 32, 32]
    assert outputs(decoder) == [32, 32, 16, 16, 8, 8, 8, 8]


def test_a_residual_block_starts_from_its_input():
    for before, after in ((8, 8), (8, 16)):
        block = ResidualBlock(before, after)
        nn.init.zeros_(block.body[-1].weight)
        x = torch.randn(1, before, 4, 4)
        assert torch.equal(block(x), block.shortcut(x))
        assert isinstance(block.shortcut, nn.Identity) is (before == after)


def test_attention_is_added_at_the_latents_and_nothing_else_changes():
    plain, attentive = autoencoder(blocks=2), autoencoder(blocks=2, attention=True)
    for without, with_it in zip(plain, attentive, strict=True):
        layers = [m for m in with_it.modules() if isinstance(m, GridAttention)]
        assert [layer.output.out_channels for layer in layers] == [64, 64]
        added = sum(p.numel() for layer in layers for p in layer.parameters())
        counts = [sum(p.numel() for p in m.parameters()) for m in (without, with_it)]
        assert counts[1] == counts[0] + added
    seen = []
    for layer in attentive[0].modules():
        if isinstance(layer, GridAttention):
            layer.register_forward_hook(lambda _, inputs, out: seen.append(out.shape[2:]))
    attentive[0](torch.zeros(1, 3, 32, 48))
    assert seen == [(2, 3), (2, 3)]


def test_tanh_bounds_the_image_and_is_part_of_the_head():
    latents = 100 * torch.randn(2, 4, 2, 2, generator=torch.Generator().manual_seed(1))
    bounded, free = autoencoder(tanh=True)[1], autoencoder()[1]
    with torch.no_grad():
        for decoder in (bounded, free):
            next(decoder.head.parameters()).mul_(50)
    assert free(latents).abs().max() > 1
    assert bounded(latents).abs().max() <= 1
    torch.testing.assert_close(bounded(latents), free(latents).tanh())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"downsampling": 8, "multipliers": [1, 2]}, "give 3 for downsampling 8"),
        ({"downsampling": 4, "multipliers": [1, 0]}, r"multipliers\[1\] must be"),
        ({"downsampling": 12}, "downsampling must be"),
        ({"blocks": 0}, "blocks must be"),
        ({"attention": "false"}, "attention must be"),
        ({"tanh": True, "output_channels": 768}, "tanh would bound"),
    ],
)
def test_what_cannot_be_is_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        autoencoder(**wrong)
