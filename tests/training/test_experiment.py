"""Building from a configuration: every mistake becomes one line that names the part."""

import pytest
import torch

from tests.training.parts import noise_data
from vqx.errors import ConfigError, ContractBroken, VqxError
from vqx.training.experiment import build_experiment, build_tokenizer, construct

FSQ = {"_target_": "vqx.quantizers.FSQ", "levels": [5, 5]}
CONV = {"_target_": "vqx.models.conv_autoencoder", "width": 8, "residual_width": 2}


def test_the_encoder_gives_what_the_quantizer_asks_for():
    tokenizer = build_tokenizer({"quantizer": FSQ, "model": CONV}, image_channels=1)
    assert tokenizer.encoder(torch.zeros(1, 1, 8, 8)).shape == (1, 2, 2, 2)


@pytest.mark.parametrize(
    ("node", "line"),
    [
        (
            {**FSQ, "level": 3},
            "quantizer=vqx.quantizers.FSQ: .*unexpected keyword",
        ),
        ({**FSQ, "levels": [1]}, "FSQ levels"),
        ({"_target_": "vqx.quantizers.FSSQ"}, "quantizer=vqx.quantizers.FSSQ"),
    ],
)
def test_a_mistake_is_named(node, line):
    with pytest.raises(VqxError, match=line) as caught:
        construct(node, what="quantizer")
    assert "\n" not in str(caught.value)


def test_something_else_than_a_quantizer_is_refused():
    with pytest.raises(ConfigError, match=r"Linear is no vqx.quantizers.Quantizer"):
        build_tokenizer(
            {
                "quantizer": {"_target_": "torch.nn.Linear", "in_features": 1, "out_features": 1},
                "model": CONV,
            },
            image_channels=3,
        )


def configuration(**changes):
    from omegaconf import OmegaConf

    from tests.test_config import composed

    config = OmegaConf.to_container(composed("metrics=fast", "model.width=8"), resolve=True)
    config["data"] = {"_target_": "tests.training.parts.noise_data"}
    return {**config, **changes}


def test_the_same_seed_gives_the_same_weights():
    config = configuration()
    first, second = (build_experiment(config, device=torch.device("cpu")) for _ in range(2))
    third = build_experiment({**config, "seed": 1}, device=torch.device("cpu"))
    weights = [e.tokenizer.encoder.layers[0].weight for e in (first, second, third)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert first.data.name == noise_data().name


def test_a_quantizer_that_breaks_its_contract_is_refused_by_name():
    node = {**FSQ, "_target_": "tests.broken_quantizers.ForgetsACode"}
    with pytest.raises(ContractBroken, match="ForgetsACode"):
        build_experiment(configuration(quantizer=node), device=torch.device("cpu"))


def test_an_image_size_that_does_not_come_back_is_refused():
    config = configuration(model={**CONV, "downsampling": 32})
    with pytest.raises(ConfigError, match="multiple of the model's downsampling"):
        build_experiment(config, device=torch.device("cpu"))
