"""The weighted sum: what counts, what is only logged, in which precision."""

from pathlib import Path

import pytest
import torch
import yaml
from hydra.utils import instantiate
from torch import Tensor, nn

from vqx.errors import ConfigError
from vqx.losses import L1, L2, Adversarial, LpipsLoss, Weighted, WeightedSum

CONF = Path(__file__).parents[2] / "conf" / "loss"


def image_pair() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.rand(2, 2, 3, 16, 16, generator=generator) * 2 - 1
    return x.requires_grad_(), y


def test_the_total_is_the_sum_and_the_values_are_bare() -> None:
    x, y = image_pair()
    loss = WeightedSum({"l2": Weighted(L2(), 0.2), "l1": Weighted(L1(), 0.8)})
    total, values = loss(x, y, step=0)
    expected = 0.2 * L2()(x, y) + 0.8 * L1()(x, y)
    torch.testing.assert_close(total, expected)
    assert {name: float(value) for name, value in values.items()} == {
        "l2": L2()(x, y).item(),
        "l1": L1()(x, y).item(),
    }
    assert total.requires_grad
    assert not any(value.requires_grad for value in values.values())


def test_weight_zero_is_logged_without_gradient() -> None:
    class Watched(L1):
        def forward(self, reconstruction: Tensor, images: Tensor) -> Tensor:
            assert not torch.is_grad_enabled()
            return super().forward(reconstruction, images)

    x, y = image_pair()
    loss = WeightedSum({"l2": Weighted(L2(), 1.0), "l1": Weighted(Watched(), 0.0)})
    total, values = loss(x, y, step=0)
    torch.testing.assert_close(total, L2()(x, y))
    assert float(values["l1"]) == L1()(x, y).item()


def test_a_term_counts_from_its_start_step_on() -> None:
    x, y = image_pair()
    loss = WeightedSum({"l2": Weighted(L2(), 1.0), "l1": Weighted(L1(), 2.0, start_step=10)})
    early, early_values = loss(x, y, step=9)
    late, late_values = loss(x, y, step=10)
    torch.testing.assert_close(early, L2()(x, y))
    torch.testing.assert_close(late, L2()(x, y) + 2 * L1()(x, y))
    assert early_values == late_values


def test_nothing_is_built_for_backward_when_gradients_are_off() -> None:
    x, y = image_pair()
    with torch.no_grad():
        total, _ = WeightedSum({"l2": Weighted(L2(), 1.0)})(x, y, step=0)
    assert not total.requires_grad


def test_autocast_does_not_reach_the_terms() -> None:
    class Linear(nn.Module):
        def forward(self, reconstruction: Tensor, images: Tensor) -> Tensor:
            assert reconstruction.dtype == images.dtype == torch.float32
            return (reconstruction @ images.mT).mean()

    x, y = image_pair()
    loss = WeightedSum({"product": Weighted(Linear(), 1.0)})
    expected, _ = loss(x.bfloat16(), y, step=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        total, values = loss(x.bfloat16(), y, step=0)
    assert total.dtype == values["product"].dtype == torch.float32
    assert torch.equal(total, expected)


@pytest.mark.parametrize("weight", [-1.0, float("nan")])
def test_impossible_weights_are_refused(weight: float) -> None:
    with pytest.raises(ConfigError, match="loss term l1: weight"):
        WeightedSum({"l2": Weighted(L2(), 1.0), "l1": Weighted(L1(), weight)})


def test_a_loss_without_weight_is_refused() -> None:
    with pytest.raises(ConfigError, match="no loss term has a positive weight"):
        WeightedSum({"l2": Weighted(L2(), 0.0)})
    adversarial = Weighted(Adversarial(torch.nn.Conv2d(3, 1, 4)), 1.0)
    with pytest.raises(ConfigError, match="an adversarial one is not enough"):
        WeightedSum({"l2": Weighted(L2(), 0.0), "adversarial": adversarial})


@pytest.mark.parametrize(("name", "weights"), [("l2", (1.0, 0.0)), ("l1", (0.0, 1.0))])
def test_shipped_losses(name: str, weights: tuple[float, float]) -> None:
    config = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    loss = instantiate(config, _convert_="all")
    x, y = image_pair()
    total, values = loss(x, y, step=0)
    expected = weights[0] * values["l2"] + weights[1] * values["l1"]
    torch.testing.assert_close(total.detach(), expected)


def test_shipped_lpips(vgg16_file: Path) -> None:
    config = yaml.safe_load((CONF / "lpips.yaml").read_text())
    config["terms"]["lpips"]["term"] |= {"weights": str(vgg16_file), "cache_dir": None}
    loss = instantiate(config, _convert_="all")
    x, y = image_pair()
    total, values = loss(x, y, step=0)
    assert list(values) == ["l2", "lpips", "l1"]
    torch.testing.assert_close(total.detach(), values["l2"] + values["lpips"])
    assert isinstance(loss.terms["lpips"], LpipsLoss)
    assert loss.state_dict() == {}


def test_the_sum_is_described_with_weights_and_starts():
    late = Weighted(L1(), 0.5, start_step="2 epochs")
    loss = WeightedSum({"l2": Weighted(L2(), 1.0), "l1": late, "off": Weighted(L1(), 0.0)})
    assert loss.describe() == "1 l2 + 0.5 l1 from 2 epochs"
    with pytest.raises(ConfigError, match="set_epoch_length"):
        loss.counts("l1", step=3)
    loss.set_epoch_length(750, run=3000)
    assert loss.describe() == "1 l2 + 0.5 l1 from step 1,500"
    assert not loss.counts("l1", step=1499)
    assert loss.counts("l1", step=1500)


@pytest.mark.parametrize("start", [-1, "soon", 0.5])
def test_a_start_that_is_no_time_is_refused(start):
    with pytest.raises(ConfigError, match="loss term l1: start_step"):
        WeightedSum({"l2": Weighted(L2(), 1.0), "l1": Weighted(L1(), 1.0, start_step=start)})
