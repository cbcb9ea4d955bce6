"""Configurations that cannot be meant are refused by name."""

import pytest
from omegaconf import OmegaConf

from vqx.errors import ConfigError
from vqx.guard import _unknown_option, check_root_keys, explain, nearest, owners_of


def test_a_knob_of_another_quantizer_is_named_with_its_owner():
    config = OmegaConf.create({"seed": 0, "levels": [8], "quantizer": {"codebook_size": 4}})
    with pytest.raises(ConfigError, match=r"nothing reads 'levels'.*belongs to quantizer=fsq"):
        check_root_keys(config)


def test_a_knob_that_something_reads_is_no_orphan():
    check_root_keys(OmegaConf.create({"seed": 0, "levels": [8], "model": {"x": "${levels}"}}))
    check_root_keys(OmegaConf.create({"levels": [8], "model": {"x": "${levels[0]}"}}))


def test_a_misspelt_key_gets_a_suggestion():
    with pytest.raises(ConfigError, match=r"unknown key 'sed'.*did you mean 'seed'"):
        check_root_keys(OmegaConf.create({"sed": 0}))


def test_owners_are_found_in_the_files():
    assert owners_of("levels") == [
        "quantizer=fsq",
        "quantizer=ifsq",
        "quantizer=residual_fsq",
        "quantizer=sfsq",
    ]
    assert {"quantizer=ema", "quantizer=vq"} <= set(owners_of("codebook_size"))
    assert "quantizer=fsq" not in owners_of("codebook_size")
    assert owners_of("nothing") == []


def test_nothing_near_gives_no_suggestion():
    assert nearest("zzzz", ["seed", "model"]) == ""


def test_several_values_without_m_are_told_what_they_may_mean():
    from hydra.errors import ConfigCompositionException

    said = "Ambiguous value for argument 'seed=0,1'\n1. To use it as a list, use key=[value1]"
    line = "seed=0,1 is several values: give -m to run each, or write a list as KEY=[A,B]"
    assert explain(ConfigCompositionException(said)) == line


def test_an_unknown_error_stays_readable_in_one_line():
    assert explain(ValueError("first\n  second\n")) == "first second"


def test_an_option_of_another_quantizer_is_said_to_be_there():
    message = _explained("quantizer.beta_legacy")
    assert "quantizer=vq" in message
    assert (
        "as quantizer.base.beta_legacy to quantizer=product_vq or quantizer=residual_vq" in message
    )
    assert "have none to start" in _explained("restart")


def _explained(key):
    return explain(ValueError(f"Could not override '{key}'"))


def test_a_misspelt_key_deep_in_a_group_is_answered_with_the_right_one():
    message = _unknown_option("loss.terms.adverserial.weight")
    assert "did you mean 'loss.terms.adversarial.weight'?" in message


def test_an_option_of_another_choice_names_that_choice():
    message = explain(Exception("Could not override 'data.debian_package'."))
    assert message == "'data.debian_package' is no option here: it belongs to data=fashion_mnist"
