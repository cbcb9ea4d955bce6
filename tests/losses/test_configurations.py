"""Every conf/loss file: what it weighs, when it starts, and that it can be trained with."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf

from vqx.config import conf_dir
from vqx.losses import LpipsLoss, WeightedSum
from vqx.losses.adversarial import Adversarial
from vqx.models.patch_discriminator import PatchDiscriminator
from vqx.models.stylegan2_discriminator import StyleGAN2Discriminator

# Weights of the terms that count; a term that is not here is logged alone.
WEIGHTS = {
    "l1": {"l1": 1.0},
    "l2": {"l2": 1.0},
    "lpips": {"l2": 1.0, "lpips": 1.0},
    "l2_l1": {"l2": 0.8, "l1": 0.2},
    "normalized_l2": {"normalized_l2": 1.0},
    "cross_entropy": {"cross_entropy": 1.0},
    "l1_lpips": {"l1": 1.0, "lpips": 1.0},
    "serezd_lpips": {"l2": 0.8, "l1": 0.2, "lpips": 0.1},
    "vqgan": {"l1": 1.0, "lpips": 1.0, "adversarial": 0.8},
    "maskgit_gan": {"l2": 1.0, "lpips": 0.1, "adversarial": 0.1},
    "serezd_gan_fixed": {"l2": 0.8, "l1": 0.2, "lpips": 0.1, "adversarial": 0.1},
    "serezd_gan_fixed_r1": {"l2": 0.8, "l1": 0.2, "lpips": 0.1, "adversarial": 0.1},
    "serezd_gan_adaptive": {"l2": 0.8, "l1": 0.2, "lpips": 0.1, "adversarial": 0.8},
    "serezd_gan_adaptive_r1": {"l2": 0.8, "l1": 0.2, "lpips": 0.1, "adversarial": 0.8},
}
NAMES = {"l1", "l2", "lpips", "normalized_l2", "cross_entropy", "adversarial"}


def composed(name: str) -> dict[str, Any]:
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = compose("config", overrides=[f"loss={name}", "cache_dir=/nowhere"])
    plain: Any = OmegaConf.to_container(config.loss, resolve=True)
    return plain


def built(name: str, weights: dict[str, Path]) -> WeightedSum:
    """The loss with small discriminators and random perceptual weights, built for 32 px."""
    config = composed(name)
    if "lpips" in config["terms"]:
        term = config["terms"]["lpips"]["term"]
        term["weights"] = str(weights[term["net"]])
    if "adversarial" in config["terms"]:
        config["terms"]["adversarial"]["term"]["discriminator"]["width"] = 2
    loss: WeightedSum = instantiate(config, _convert_="all")
    loss.set_epoch_length(10, run=40)
    loss.attach(image_channels=3, image_size=32)
    if loss.needs_variance:
        loss.set_variance(0.3)
    return loss


@pytest.fixture(scope="module")
def weights(alexnet_file: Path, vgg16_file: Path) -> dict[str, Path]:
    return {"alex": alexnet_file, "vgg": vgg16_file}


def test_every_file_is_here() -> None:
    assert {path.stem for path in (conf_dir() / "loss").glob("*.yaml")} == set(WEIGHTS)


@pytest.mark.parametrize("name", WEIGHTS)
def test_it_weighs_what_it_says_and_has_a_gradient(name: str, weights: dict[str, Path]) -> None:
    loss = built(name, weights)
    assert set(loss.terms) <= NAMES
    assert {n: weight for n, weight in loss.weights.items() if weight > 0} == WEIGHTS[name]
    generator = torch.Generator().manual_seed(0)
    fake, real = torch.rand(2, 2, 3, 32, 32, generator=generator) * 2 - 1
    logits = None if loss.pixel_levels is None else torch.zeros(2, 3 * loss.pixel_levels, 32, 32)
    given = (fake if logits is None else logits).requires_grad_()
    total, values = loss(fake, real, step=39, logits=logits)
    total.backward()
    expected = sum(weight * values[n] for n, weight in WEIGHTS[name].items())
    torch.testing.assert_close(total.detach(), expected)
    assert given.grad is not None
    assert float(given.grad.abs().sum()) > 0


def term(name: str) -> dict[str, Any]:
    found: dict[str, Any] = composed(name)["terms"]["adversarial"]
    return found


def test_files_show_every_keyword_of_the_adversarial_term() -> None:
    import inspect

    known = set(inspect.signature(Adversarial).parameters)
    for name in ("vqgan", "maskgit_gan", "serezd_gan_fixed"):
        assert set(term(name)["term"]) - {"_target_"} == known
    for kind, name in ((PatchDiscriminator, "vqgan"), (StyleGAN2Discriminator, "maskgit_gan")):
        shown = set(term(name)["term"]["discriminator"]) - {"_target_", "_partial_"}
        assert shown == set(inspect.signature(kind).parameters) - {"image_channels", "image_size"}


def test_the_seeds_rows_differ_in_what_they_are_named_for() -> None:
    base = term("serezd_gan_fixed")
    adaptive = {"weight": 0.8, "term": {**base["term"], "adaptive": "perceptual"}}
    assert term("serezd_gan_adaptive") == {**base, **adaptive}
    for name in ("serezd_gan_fixed", "serezd_gan_adaptive"):
        without = term(name)
        assert without["term"]["r1_gamma"] == 0
        with_r1 = {**without, "term": {**without["term"], "r1_gamma": 1.25}}
        assert term(f"{name}_r1") == with_r1
    assert base["start_step"] == "1 epoch"
    assert base["term"]["objective"] == "non_saturating"


def test_the_seeds_r1_of_ten_is_gamma_1_25(weights: dict[str, Path]) -> None:
    adversarial = built("serezd_gan_fixed_r1", weights).terms["adversarial"]
    assert isinstance(adversarial, Adversarial)
    real = (torch.rand(4, 3, 32, 32) * 2 - 1).requires_grad_()
    (slope,) = torch.autograd.grad(adversarial.discriminator(real).sum(), real)
    lazily = adversarial.r1_interval * adversarial.r1_penalty(real)
    torch.testing.assert_close(lazily.detach(), 10 * slope.square().sum((1, 2, 3)).mean())


def test_networks_are_the_seeds() -> None:
    assert composed("serezd_lpips")["terms"]["lpips"]["term"]["net"] == "alex"
    for name in ("serezd_gan_fixed", "vqgan", "l1_lpips"):
        assert composed(name)["terms"]["lpips"]["term"]["net"] == "vgg"
    node = term("serezd_gan_fixed")["term"]["discriminator"]
    with torch.device("meta"):
        network = instantiate(node)(image_channels=3, image_size=256)
    parameters = sum(p.numel() for p in network.parameters())
    assert parameters / 1e6 == pytest.approx(28.9, abs=0.05)


def test_a_layer_subset_is_a_keyword(weights: dict[str, Path]) -> None:
    config = composed("lpips")
    config["terms"]["lpips"]["term"] |= {"layers": [0, 2], "weights": str(weights["vgg"])}
    loss = instantiate(config, _convert_="all")
    assert isinstance(loss.terms["lpips"], LpipsLoss)
    assert loss.terms["lpips"]._hidden[0].stages == (0, 2)
