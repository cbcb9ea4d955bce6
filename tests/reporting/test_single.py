"""The table at the end of a run."""

import json

import pytest

from tests.runs.synthetic import config_of, result_of
from vqx.reporting.single import result_table


def test_metrics_protocols_reasons_and_costs() -> None:
    text = result_table(result_of(config_of("ema"), psnr=25.126), width=140)
    lines = text.splitlines()
    (psnr,) = [line for line in lines if line.startswith("PSNR")]
    assert psnr.split()[:4] == ["PSNR", "↑", "25.13", "dB"]
    assert psnr.endswith("per image then mean, rounded uint8, range 255, 900 images")
    (rfid,) = [line for line in lines if line.startswith("rFID")]
    assert "missing: no weights of the FID Inception" in rfid
    assert any("1.19 M parameters, 1,024 codes" in line for line in lines)
    assert any("800 steps, 25,600 images in 1 min" in line for line in lines)
    assert any("900 images of photos" in line for line in lines)


def test_every_metric_is_shown_as_none_is_secret() -> None:
    result = result_of(config_of())
    result["metrics"]["psnr_global"] = {"value": 24.0, "stamp": "s", "better": "higher"}
    result["metrics"]["fd_new"] = {"value": 24.0, "stamp": "s", "better": None}
    text = result_table(result, width=140)
    assert "PSNR of the set ↑" in text
    assert "fd_new" in text


@pytest.mark.parametrize("width", [50, 60, 80, 120, 200])
def test_fits_the_terminal(width: int) -> None:
    lines = result_table(result_of(config_of()), width=width).splitlines()
    assert max(map(len, lines)) <= width
    starts = [line.index("2") for line in lines if line.startswith("PSNR")]
    assert starts


def test_the_same_result_read_back_gives_the_same_table() -> None:
    result = result_of(config_of())
    assert result_table(json.loads(json.dumps(result)), width=100) == result_table(
        result, width=100
    )


def test_left_out_images_devices_and_soft_codes() -> None:
    result = result_of(config_of())
    result["data"]["left_out"] = [f"{i}.png" for i in range(5)]
    result["model"]["discrete"] = False
    result["cost"] |= {"device": "H200", "devices": 2, "peak_memory_bytes": 3 * 2**30}
    text = result_table(result, width=200)
    assert "5 unreadable left out: 0.png, 1.png, 2.png, ..." in text
    assert "not discrete" in text
    assert "on 2 x H200, 3.00 GiB" in text


def test_codebooks_and_both_numbers_of_a_mixture() -> None:
    result = result_of(config_of("ema"), psnr=12.5)
    result["model"] |= {"codebooks": 8, "discrete": False}
    stamp = "the decoder saw the continuous mixture, not codes"
    result["metrics"]["soft_psnr"] = {"value": 31.0, "stamp": stamp, "better": "higher"}
    lines = result_table(result, width=160).splitlines()
    (hard,) = [line for line in lines if line.startswith("PSNR")]
    (soft,) = [line for line in lines if line.startswith("soft PSNR")]
    assert hard.split()[2] == "12.50"
    assert (soft.split()[3], soft.endswith(stamp)) == ("31.00", True)
    assert any("parameters, 8 x 1,024 codes" in line for line in lines)


def test_a_discriminator_is_counted_apart() -> None:
    result = result_of(config_of())
    result["model"]["discriminator_parameters"] = 28_900_000
    table = result_table(result, width=200)
    assert "1.19 M parameters (and 28.90 M of the discriminator), 1,000 codes" in table
    result["model"]["discriminator_parameters"] = 0
    assert "1.19 M parameters, 1,000 codes" in result_table(result, width=200)
