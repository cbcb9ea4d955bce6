"""What every autoencoder of conf/model must do, in every variant."""

import copy
import inspect

import pytest
import torch

from tests.models.configured import FILES, VARIANTS, build, factory, settings

GIVEN = {"image_channels", "latent_channels", "output_channels"}
every_variant = pytest.mark.parametrize("variant", VARIANTS)


def images(size=(32, 48), count=2, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 3, *size, generator=generator) * 2 - 1


def reconstruct(pair, x):
    encoder, decoder = pair
    return decoder(encoder(x))


@pytest.mark.parametrize("name", FILES)
def test_a_file_shows_every_keyword_with_its_default(name):
    parameters = inspect.signature(factory(name)).parameters
    defaults = {key: p.default for key, p in parameters.items() if key not in GIVEN}
    shown = settings(name)
    del shown["_target_"]
    assert shown == defaults
    lines = FILES[name].read_text().splitlines()
    assert lines[0].startswith("# ")
    assert {"residual_blocks", "heads"} >= {
        line.split(":")[0] for line in lines[2:] if "#" not in line
    }


@every_variant
def test_images_of_any_divisible_size_come_back_at_their_size(variant):
    encoder, decoder = build(variant)
    factor = settings(VARIANTS[variant][0])["downsampling"]
    for height, width in ((2, 2), (1, 3), (5, 2)):
        x = images((height * factor, width * factor))
        latents = encoder(x)
        assert latents.shape == (2, 8, height, width)
        assert decoder(latents).shape == x.shape


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("downsampling", [4, 8, 16])
def test_downsampling_alone_sets_the_grid_and_other_channels_are_free(name, downsampling):
    pair = build(name, downsampling=downsampling, image_channels=1, output_channels=6)
    latents = pair[0](torch.zeros(1, 1, 32, 32))
    assert latents.shape == (1, 8, 32 // downsampling, 32 // downsampling)
    assert pair[1](latents).shape == (1, 6, 32, 32)


@every_variant
def test_the_image_is_the_heads_last_word(variant):
    encoder, decoder = build(variant)
    seen = []
    decoder.head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    out = reconstruct((encoder, decoder), images())
    assert len(seen) == 1
    recomputed = decoder.head(seen[0])
    assert torch.equal(out, recomputed)
    weights = [p for p in decoder.head.parameters() if p.ndim > 1]
    gradients = torch.autograd.grad(recomputed.square().mean(), weights)
    assert all(gradient.abs().sum() > 0 for gradient in gradients)


@every_variant
def test_every_parameter_gets_a_gradient(variant):
    pair = build(variant)
    (reconstruct(pair, images()) - images(seed=2)).square().mean().backward()
    for module in pair:
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().sum() > 0, name


@every_variant
def test_channels_last_and_autocast_change_the_result_by_rounding_only(variant):
    pair = build(variant)
    exact = reconstruct(pair, images())
    with torch.autocast("cpu", torch.bfloat16):
        rounded = reconstruct(pair, images())
    # bfloat16 holds 8 bits, and narrow normalized levels widen the error.
    assert (rounded - exact).norm() < 0.1 * exact.norm()
    rounded.float().square().mean().backward()
    for module in pair:
        module.to(memory_format=torch.channels_last)
    rearranged = reconstruct(pair, images().to(memory_format=torch.channels_last))
    torch.testing.assert_close(rearranged, exact, rtol=1e-4, atol=1e-4)


@every_variant
def test_a_copy_and_a_restored_state_are_the_same_model(variant):
    pair = build(variant)
    reconstruct(pair, images()).mean().backward()
    copied = copy.deepcopy(pair)
    restored = build(variant)
    with torch.no_grad():
        for module in restored:
            for parameter in module.parameters():
                parameter.normal_()
    for module, source in zip(restored, pair, strict=True):
        module.load_state_dict(source.state_dict())
    expected = reconstruct(pair, images())
    assert torch.equal(reconstruct(copied, images()), expected)
    assert torch.equal(reconstruct(restored, images()), expected)
    with torch.no_grad():
        for parameter in copied[1].parameters():
            parameter.zero_()
    assert torch.equal(reconstruct(pair, images()), expected)


@every_variant
def test_an_image_does_not_depend_on_its_batch_but_through_batch_statistics(variant):
    pair = build(variant)
    x = images(count=3)
    together, alone = reconstruct(pair, x)[:1], reconstruct(pair, x[:1])
    flags = [module.batch_statistics for module in pair]
    assert flags == ["norm" in VARIANTS[variant][1]] * 2
    assert torch.allclose(together, alone, rtol=1e-4, atol=1e-5) is not any(flags)
    for module in pair:
        module.eval()
    together, alone = reconstruct(pair, x)[:1], reconstruct(pair, x[:1])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", FILES)
def test_a_model_learns_a_few_images_by_heart(name):
    pair = build(name, downsampling=4, latent_channels=32)
    x = torch.nn.functional.interpolate(images((4, 4), count=4), scale_factor=4, mode="bilinear")
    parameters = [p for module in pair for p in module.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=5e-3)
    for _ in range(100):
        loss = (reconstruct(pair, x) - x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.25 * x.square().mean()
