"""Every row composes at every scale, and a scale changes named keys alone."""

import csv
import itertools
import re
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import pytest
import yaml
from hydra.utils import instantiate
from omegaconf import OmegaConf

from tests.test_config import composed as unresolved
from vqx.config import composed, conf_dir, run_name
from vqx.guard import check_root_keys, explain
from vqx.rows import names_of
from vqx.training.settings import TrainerSettings

ROWS = names_of("experiment")
# Those that repeat a published table; the others show what a sweep file can say.
TABLES = [
    name
    for name in names_of("sweeps")
    if "+experiment:" in (conf_dir() / "sweeps" / f"{name}.yaml").read_text()
]
SCALES = ("full", "small", "cpu", "smoke")
PUBLISHED = conf_dir().parent / "results" / "published"

# All that a scale may change of a row: the data and how they are measured, the pace of training,
# and sizes. What makes the row a row stays.
SCALED = (
    "data.*",
    "metrics.*",
    "trainer.steps",
    "trainer.batch_size",
    "trainer.precision",  # fp16 is no precision of CPUs
    "trainer.learning_rate",
    "trainer.minimum_learning_rate",
    "trainer.warmup_steps",
    "trainer.decay",
    "trainer.betas",
    "trainer.clip_norm",
    "trainer.log_every",
    "trainer.evaluate_every",
    "trainer.checkpoint_every",
    "trainer.evaluation_batch_size",
    "trainer.collapse_floor",
    "trainer.mask_patch",
    "trainer.codebook_batches",
    "model.downsampling",
    "model.width",
    "model.widths",
    "model.residual_width",
    "model.blocks",
    "codebook_size",
    "latent_channels",
    "quantizer.codebook_size",
    "quantizer.latent_channels",
    "loss.terms.lpips.weight",
    "loss.terms.lpips.start_step",
    "loss.terms.lpips.term.net",
    "loss.terms.adversarial.start_step",
    "loss.terms.adversarial.term.discriminator.max_width",
)
KEPT = ("data.shuffle",)
# What may differ between two published rows, and no more between them at a smaller scale.
ALIKE = {
    "trainer.learning_rate",
    "trainer.minimum_learning_rate",
    "loss.terms.lpips.term.net",
}


@cache
def configuration(row, scale):
    root = ["++data.root=/pictures"] if scale == "full" else []
    config = unresolved(f"+experiment={row}", f"scale={scale}", *root)
    check_root_keys(config)
    return OmegaConf.to_container(config, resolve=True, throw_on_missing=True)


def leaves(node, prefix=""):
    """Dotted keys and values; a node and its missing sibling differ in the node's leaves."""
    if not isinstance(node, dict):
        return {prefix: node}
    found = {}
    for key, value in node.items():
        found.update(leaves(value, f"{prefix}.{key}" if prefix else str(key)))
    return found


def differences(one, other):
    one, other = leaves(one), leaves(other)
    return {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}


def published_rows(table):
    with (PUBLISHED / f"{table}.csv").open(newline="") as file:
        return [line["row"] for line in csv.DictReader(file)]


def sweep_rows(table):
    sweep = yaml.safe_load((conf_dir() / "sweeps" / f"{table}.yaml").read_text())
    assert sweep["hydra"]["mode"] == "MULTIRUN"
    return re.split(r",\s*", sweep["hydra"]["sweeper"]["params"]["+experiment"])


def test_rows_and_sweeps_are_those_of_the_published_tables():
    tables = {path.stem for path in PUBLISHED.glob("*.csv")} - {"literature"}
    assert set(TABLES) == tables
    assert set(ROWS) == {row for table in tables for row in published_rows(table)}
    for table in TABLES:
        assert sweep_rows(table) == published_rows(table)


def test_the_repository_shows_its_sweeps():
    assert (conf_dir().parent / "sweeps").resolve() == (conf_dir() / "sweeps").resolve()


@pytest.mark.parametrize("row", ROWS)
def test_a_scale_changes_named_keys_alone(row):
    full = configuration(row, "full")
    assert full["row"] == row
    for scale in SCALES:
        scaled = configuration(row, scale)
        TrainerSettings.from_config(scaled["trainer"])
        for key in differences(full, scaled):
            assert any(fnmatchcase(key, pattern) for pattern in SCALED), f"{scale} changes {key}"
            assert key not in KEPT, f"{scale} changes {key}"
    if full["trainer"]["precision"] != "fp16":
        assert configuration(row, "cpu")["trainer"]["precision"] == full["trainer"]["precision"]


@pytest.mark.parametrize("row", ROWS)
def test_only_the_pictures_themselves_are_seen_in_full(row):
    data = configuration(row, "full")["data"]
    assert (data["flip"], data["random_crop"]) == (False, False)  # no project augments


@pytest.mark.parametrize("table", TABLES)
def test_rows_of_a_table_differ_in_the_same_keys_at_every_scale(table):
    for one, other in itertools.combinations(sweep_rows(table), 2):
        published = differences(configuration(one, "full"), configuration(other, "full"))
        for scale in SCALES[1:]:
            scaled = differences(configuration(one, scale), configuration(other, scale))
            assert scaled <= published, f"{scale} adds a confound to {one} and {other}"
            assert published - scaled <= ALIKE


@pytest.mark.parametrize("scale", SCALES)
def test_no_two_rows_are_one_run(scale):
    names = [run_name(configuration(row, scale)) for row in ROWS]
    assert len(set(names)) == len(ROWS)


@pytest.mark.parametrize("row", ROWS)
def test_a_head_comment_has_the_commands_and_what_was_printed(row):
    text = (conf_dir() / "experiment" / f"{row}.yaml").read_text()
    head = text.split("\ndefaults:")[0]
    commands = re.findall(r"^#   python -m vqx\.train (.*)$", head, flags=re.MULTILINE)
    assert len(commands) == 2
    for command, scale in zip(commands, ("full", "cpu"), strict=True):
        told = composed(command.split())
        assert {**told, "data": None} == {**configuration(row, scale), "data": None}
        assert "???" not in leaves(told).values()
    for word in ("Published:", "Its code:", "Cost:"):
        assert f"\n# {word}" in head


@pytest.mark.parametrize("row", ROWS)
def test_what_a_head_comment_offers_to_type_is_taken(row):
    text = (conf_dir() / "experiment" / f"{row}.yaml").read_text().split("\ndefaults:")[0]
    offered = re.findall(r"(?<=[\s(])((?:quantizer|loss|trainer)\.[\w.]+=[\d.]+%?)", text)
    if offered:
        taken = leaves(composed([f"+experiment={row}", "scale=cpu", *offered]))
        for key, value in dict(word.split("=") for word in offered).items():
            assert taken[key] == yaml.safe_load(value)


def test_the_order_on_the_command_line_does_not_count():
    row = "+experiment=serezd/ema_vqvae_cb4096"
    assert composed([row, "scale=cpu"]) == composed(["scale=cpu", row])
    typed = composed([row, "scale=cpu", "data=photos", "quantizer=fsq", "trainer.steps=7"])
    assert typed["data"]["name"] == "photos"
    assert typed["quantizer"]["_target_"] == "vqx.quantizers.FSQ"
    assert typed["trainer"]["steps"] == 7
    assert typed["trainer"]["batch_size"] == 32


@pytest.mark.parametrize("scale", SCALES)
def test_the_photos_take_the_place_of_a_scales_data(scale):
    short = ("data.maximum_side=160", "data.image_size=32")
    data = composed([f"scale={scale}", "data=photos", *short])["data"]
    assert instantiate(data, _convert_="all").channels == 3


def test_a_scale_without_a_row_keeps_what_was_typed():
    plain = composed(["quantizer=vq", "scale=cpu", "model.width=32"])
    assert (plain["row"], plain["data"]["name"]) == (None, "fashion_mnist")
    assert plain["model"]["width"] == 32
    assert composed(["scale=full"]) == composed([])


def test_what_a_project_changes_at_a_scale_has_a_project_and_a_scale():
    folder = conf_dir() / "scale" / "project"
    for path in folder.rglob("*.yaml"):
        project, scale = path.relative_to(folder).with_suffix("").parts
        assert (conf_dir() / "project" / f"{project}.yaml").exists()
        assert scale in SCALES


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("+experiment=serezd/ema_vqvae_cb409", "the nearest are: serezd/ema_vqvae_cb4096"),
        ("+experiment=sereszd/ema_vqvae_cb4096", "the nearest are: serezd/ema_vqvae_cb4096"),
        ("+experiment=serezd", "is a project; its rows are: serezd/ema_vqgan"),
        ("+experiment=nothing_like_it", "there are: boessen/staged"),
        ("experiment=boessen/staged", "'experiment' is added with a plus: +experiment=..."),
        ("+scale=cpu", "'scale' is part of every run: without the plus, scale=..."),
        ("scale=cpuu", "there is no scale=cpuu (did you mean 'cpu'?)"),
        ("+sweeps=doraemonzz_fp32", "the nearest are: doraemonzzz_fp32"),
    ],
)
def test_a_misspelt_row_or_scale_is_one_clear_line(typed, line):
    with pytest.raises(Exception) as caught:  # noqa: PT011 whatever Hydra raises
        composed([typed])
    said = explain(caught.value)
    assert line in said
    assert "\n" not in said


def test_every_table_says_its_command():
    for table in TABLES:
        head = Path(conf_dir() / "sweeps" / f"{table}.yaml").read_text().split("hydra:")[0]
        assert f"python -m vqx.train -m +sweeps={table} scale=cpu seed=0,1,2" in head
