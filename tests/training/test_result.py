"""What result.json says of the codes: how many, in how many codebooks, and their bits."""

from types import SimpleNamespace

import pytest

from tests.runs.synthetic import config_of
from tests.training.parts import noise_data, small_tokenizer
from vqx.losses import L2, Weighted, WeightedSum
from vqx.metrics import Measurement
from vqx.quantizers import FSQ, VQ
from vqx.quantizers.residual import Residual
from vqx.training.evaluation import Evaluation
from vqx.training.result import result_of


@pytest.mark.parametrize(
    ("quantizer", "codebooks", "bits"),
    [(FSQ([5, 5, 3]), 1, 16 * 6.2288), (Residual(VQ(8, 4), 3), 3, 16 * 3 * 3.0)],
)
def test_tokens_are_positions_and_bits_are_of_all_codebooks(quantizer, codebooks, bits):
    experiment = SimpleNamespace(
        config=config_of(),
        tokenizer=small_tokenizer(quantizer),
        losses=WeightedSum({"l2": Weighted(L2(), 1.0)}),
        data=noise_data(),
        missing={},
    )
    measurements = {"psnr": Measurement(20.0, "stamp", "higher")}
    evaluation = Evaluation(measurements, None, None, 7 * 16, 7, (), 0.1)
    result = result_of(experiment, evaluation, replaced=[])
    assert result["model"]["codebook_size"] == quantizer.codebook_size
    assert result["model"]["codebooks"] == codebooks
    assert result["model"]["tokens_per_image"] == 16
    assert result["model"]["bits_per_image"] == pytest.approx(bits, rel=1e-4)
    assert result["data"]["tokens"] == 112
    assert result["metrics"]["psnr"] == {"value": 20.0, "stamp": "stamp", "better": "higher"}
