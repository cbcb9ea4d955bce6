"""Signatures: equal for equal numbers, whatever else differs; every shipped file composes."""

import itertools
from functools import cache

import pytest
from hydra import compose, initialize_config_dir
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from vqx.config import (
    conf_dir,
    identity,
    interpolated_keys,
    register_resolvers,
    resolved_identity,
    run_name,
    signature,
    slug,
)
from vqx.errors import DataError, WeightsMissing
from vqx.guard import check_root_keys
from vqx.training.experiment import build_tokenizer, construct
from vqx.training.settings import TrainerSettings


@cache
def composed(*overrides, return_hydra=False):
    register_resolvers()
    with initialize_config_dir(version_base="1.3", config_dir=str(conf_dir())):
        return compose("config", overrides=list(overrides), return_hydra_config=return_hydra)


def name(*overrides):
    return run_name(resolved_identity(composed(*overrides)))


BASE = ("quantizer=fsq", "levels=[8,5,5,5]", "seed=3", "trainer.batch_size=16")


@pytest.mark.parametrize("order", list(itertools.permutations(BASE))[::5])
def test_the_order_of_overrides_does_not_count(order):
    assert name(*order) == name(*BASE)


@pytest.mark.parametrize(
    "place",
    [
        "trainer.devices=4",
        "trainer.device=cpu",
        "trainer.accumulation=2",
        "trainer.log_every=1",
        "trainer.evaluate_every=null",
        "trainer.checkpoint_every=7",
        "trainer.collapse_floor=null",
        "logger=wandb",
        "results=/elsewhere",
        "cache_dir=/elsewhere",
        "metrics.lpips.weights=/elsewhere/lpips",
    ],
)
def test_where_a_run_runs_does_not_count(place):
    assert name(*BASE, place) == name(*BASE)


def test_the_number_of_workers_does_not_count():
    folder = ("data=folder", "data.root=/pictures")
    assert name(*folder, "data.workers=7") == name(*folder)
    assert name("data=folder", "data.root=/others") != name(*folder)


@pytest.mark.parametrize(
    "change",
    [
        "seed=4",
        "levels=[8,5,5]",
        "trainer.batch_size=32",
        "trainer.precision=bf16",
        "trainer.steps=801",
        "trainer.learning_rate=2e-3",
        "trainer.ema_decay=0.99",
        "model.width=64",
        "model.downsampling=8",
        "loss=l1",
        "loss.terms.l2.weight=2",
        "data.image_size=32",
        "data.flip=false",
        "metrics=fast",
    ],
)
def test_whatever_changes_a_number_counts(change):
    assert name(*BASE, change) != name(*BASE)


def test_a_name_can_be_read():
    assert slug(resolved_identity(composed(*BASE))) == "fsq-levels8x5x5x5-photos-seed3"
    assert name("quantizer=vq", "codebook_size=64").startswith("vq-codebook_size64-")


def test_a_whole_number_is_the_same_as_a_float():
    assert name(*BASE, "trainer.clip_norm=1") == name(*BASE, "trainer.clip_norm=1.0")
    assert name(*BASE, "trainer.clip_norm=2") != name(*BASE, "trainer.clip_norm=1")


def test_the_weights_of_a_loss_count():
    loss = ("loss=lpips", "loss.terms.lpips.term.weights=/a.safetensors")
    assert name(*loss) != name("loss=lpips")


def test_nulls_do_not_count_so_that_later_features_keep_old_names():
    config = OmegaConf.to_container(composed(*BASE), resolve=True)
    assert signature({**config, "trainer": {**config["trainer"], "new": None}}) == signature(config)


@pytest.mark.parametrize("data", ["photos", "fashion_mnist", "cifar10"])
def test_a_resolved_configuration_has_the_signature_of_the_unresolved(data):
    config = composed(*BASE, f"data={data}")
    resolved = OmegaConf.to_container(config, resolve=True)
    assert run_name(resolved) == run_name(resolved_identity(config))


plain = st.recursive(
    st.integers() | st.text(max_size=5) | st.booleans() | st.none(),
    lambda children: st.dictionaries(st.text("abc", min_size=1, max_size=3), children, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text("xyz", min_size=1, max_size=3), plain, max_size=5))
def test_identity_is_stable(config):
    assert identity(identity(config)) == identity(config)
    reversed_order = dict(reversed(config.items()))
    assert signature(reversed_order) == signature(config)


def test_interpolations_are_found_anywhere():
    node = {"a": "${x}", "b": ["${y.z}", {"c": "${w[0]}/${v}"}], "d": "${oc.env:HOME}", "e": 1}
    assert set(interpolated_keys(node)) == {"x", "y", "w", "v"} | {"oc"}


CHOICES = [
    f"{path.parent.name}={path.stem}"
    for path in sorted(conf_dir().glob("*/*.yaml"))
    if path.parent.name not in ("hydra", "project", "scale", "sweeps")  # test_scales.py has those
]


# Data sets that are a folder of the user's.
ROOTED = {
    f"data={path.stem}"
    for path in (conf_dir() / "data").glob("*.yaml")
    if "root: ???" in path.read_text()
}


@pytest.mark.parametrize("choice", CHOICES)
def test_every_shipped_choice_composes_and_passes_the_guard(choice):
    config = composed(choice, *(["data.root=/pictures"] if choice in ROOTED else []))
    check_root_keys(config)
    assert OmegaConf.to_container(config, resolve=True, throw_on_missing=True)


@pytest.mark.parametrize(
    "choice", [c for c in CHOICES if not c.startswith(("trainer", "model", "metrics"))]
)
def test_every_shipped_choice_can_be_built(choice, tmp_path):
    """Or says in one line what it lacks: images or weights that this machine may not have."""
    group = choice.split("=")[0]
    extra = ("data.local_sources=[]",) if choice == "data=fashion_mnist" else ()
    if choice in ROOTED:
        extra = ("data.root=/pictures",)
    elif group == "data" and not choice.startswith("data=photos"):
        extra = (*extra, "data.download=false")
    config = OmegaConf.to_container(composed(choice, f"cache_dir={tmp_path}", *extra), resolve=True)
    try:
        construct(config[group], what=group)
    except (DataError, WeightsMissing) as error:
        assert choice in NEED_FILES
        message = str(error)
        assert "\n" not in message


NEED_FILES = {f"data={name}" for name in ("cifar10", "cifar100", "mnist", "fashion_mnist")} | ROOTED
NEED_FILES |= {
    f"loss={path.stem}"
    for path in (conf_dir() / "loss").glob("*.yaml")
    if "LpipsLoss" in path.read_text() or path.stem.startswith("serezd_gan")
}


def test_models_and_trainers_can_be_built():
    for choice in CHOICES:
        config = OmegaConf.to_container(composed("model=conv", "quantizer=vq"), resolve=True)
        if choice.startswith("model="):
            config["model"] = OmegaConf.to_container(composed(choice), resolve=True)["model"]
            build_tokenizer(config, image_channels=3)
        if choice.startswith("trainer="):
            trainer = OmegaConf.to_container(composed(choice), resolve=True)["trainer"]
            TrainerSettings.from_config(trainer)
