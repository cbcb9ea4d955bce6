"""One composition for many jobs gives what Hydra's own composition of each of them gives."""

from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf, open_dict

from vqx.guard import check_root_keys
from vqx.sweeps.composition import Composer
from vqx.sweeps.options import without_options
from vqx.sweeps.view import multirun

GROUPS = [
    "quantizer=vq",
    "quantizer=fsq",
    "quantizer=nosuch",
    "+quantizer=vq",
    "++quantizer=vq",
    "quantizer=[vq]",
    "quantizer={codebook_size:7}",
    "~project",
    "~quantizer=vq",
    "model=minimal",
    "+loss@extra=l1",
    "loss@extra=l1",
    "loss=l2_l1",
    "metrics=fast",
    "data=fashion_mnist",
    "scale=smoke",
    "+experiment=serezd/standard_vqvae_cb1024",
    "+experiment=swasun/ema_shuffled",
    "experiment=swasun/ema_shuffled",
    "nosuch@extra=1",
]
VALUES = [
    "seed=3",
    "seed=${trainer.steps}",
    "seed=${nosuch}",
    "seed=???",
    "seed=1,2",
    "trainer.steps=7",
    "++trainer.steps=9",
    "+trainer.steps=9",
    "+trainer.fresh=[1,{a:2}]",
    "trainer.fresh=1",
    "trainer.betas=[0.5,0.6]",
    "trainer.betas.0=0.1",
    "~trainer.clip_norm",
    "~trainer.clip_norm=7",
    "~trainer.fresh",
    "levels=[4,4]",
    "+levels=[4,4]",
    "codebook_size=64",
    "quantizer.commitment=0.5",
    "++quantizer.restart.policy=none",
    "trainer={steps:5}",
    "+experimnt=x",
    "results=/elsewhere",
    "row='a, b'",
    "hydra.verbose=true",
    "plan=true",
    "seed=[",
]


@cache
def parts():
    config, loader = multirun(["trainer.log_every=3", "hydra.job.name=x"])
    return config, loader, Composer(config, loader)


def slowly(overrides):
    config, loader, _ = parts()
    job = loader.load_sweep_config(config, list(overrides))
    with open_dict(job):
        del job["hydra"]
    check_root_keys(job)
    return without_options(OmegaConf.to_container(job, resolve=True, throw_on_missing=True))


def outcome(compose, overrides):
    try:
        return compose(overrides)
    except Exception as error:
        return type(error), str(error), str(error.__cause__ or "")


def check(overrides):
    assert outcome(parts()[2], overrides) == outcome(slowly, overrides)


@pytest.mark.parametrize("override", GROUPS + VALUES)
def test_each_kind_of_override_alone(override):
    check(["quantizer=fsq", override] if "quantizer" not in override else [override])


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.sampled_from(GROUPS), max_size=2, unique=True),
    st.lists(st.sampled_from(VALUES), max_size=4),
    st.randoms(use_true_random=False),
)
def test_any_overrides_in_any_order(groups, values, random):
    overrides = [*groups, *values]
    random.shuffle(overrides)
    check(overrides)


def test_jobs_do_not_see_each_others_values():
    compose = parts()[2]
    assert compose(["quantizer=fsq", "+trainer.fresh=1", "~trainer.clip_norm"])["trainer"]["fresh"]
    trainer = compose(["quantizer=fsq"])["trainer"]
    assert "fresh" not in trainer
    assert "clip_norm" in trainer


def test_a_set_of_choices_is_composed_once(monkeypatch):
    config, loader, _ = parts()
    seen = []
    slow = loader.load_sweep_config
    monkeypatch.setattr(
        loader, "load_sweep_config", lambda *a, **k: seen.append(k or a[1]) or slow(*a, **k)
    )
    compose = Composer(config, loader)
    for seed in range(20):
        for quantizer in ("vq", "fsq", "nosuch"):
            outcome(compose, [f"quantizer={quantizer}", f"seed={seed}"])
    assert seen == [["quantizer=vq"], ["quantizer=fsq"], ["quantizer=nosuch"]]
