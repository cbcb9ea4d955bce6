"""`vqx.load` gives what a run's evaluation measures, for images of any size, and runs no code."""

import subprocess
import sys

import pytest
import torch
import yaml
from skimage.data import astronaut

import vqx
from tests.trained import evaluated_tokenizer, trained, untrained
from vqx.errors import CheckpointError, ConfigError, VqxError
from vqx.export import export
from vqx.training.checkpoints import load_newest, save
from vqx.training.evaluation import reconstruct

PHOTO = torch.from_numpy(astronaut()).permute(2, 0, 1)[None].contiguous()
BATCH = torch.cat([PHOTO[..., :64, i : i + 96] for i in (0, 150, 300)])
SMALL = ("codebook_size=32", "latent_channels=8")
FAMILIES = {
    "fsq": (),
    "residual_vq": SMALL,
    "gumbel": SMALL,
    "soft": SMALL,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run with averaged weights, which differ from the last ones."""
    place = tmp_path_factory.mktemp("run")
    return trained(place, "quantizer=ema", *SMALL, "trainer.ema_decay=0.9")


def changed(run, tmp_path, **nodes):
    """A copy of `run` whose stored configuration has other `nodes`, its checkpoints linked."""
    config = yaml.safe_load((run / "config.yaml").read_text())
    for name, change in nodes.items():
        config[name] = {**config[name], **change}
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    (copy / "checkpoints").symlink_to(run / "checkpoints")
    return copy


def assert_same(tokenizer, reference, images=BATCH):
    """`tokenizer` gives the bits of `reference`, a Tokenizer of the trainer's making."""
    with torch.no_grad():
        image, codes = reconstruct(reference, images)
    assert torch.equal(tokenizer.tokenize(images), codes)
    assert torch.equal(tokenizer.detokenize(codes), image)


def test_a_run_is_loaded_as_its_evaluation_measures_it(run):
    tokenizer = vqx.load(run)
    assert_same(tokenizer, evaluated_tokenizer(run))
    assert not any(p.requires_grad for p in tokenizer.tokenizer.parameters())
    assert not tokenizer.tokenizer.training
    assert tokenizer.source.about["averaged"] is True
    assert (tokenizer.downsampling, tokenizer.codebook_size, tokenizer.channels) == (4, 32, 3)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_survives_load_and_export(name, tmp_path):
    folder, reference = untrained(tmp_path, f"quantizer={name}", *FAMILIES[name])
    assert_same(vqx.load(folder), reference)
    export(folder, tmp_path / "exported")
    assert_same(vqx.load(tmp_path / "exported"), reference)


def test_a_decoder_of_logits_is_built_from_the_losses_node(tmp_path):
    folder, reference = untrained(tmp_path, "loss=cross_entropy", "model.width=4", levels=256)
    tokenizer = vqx.load(export(folder, tmp_path / "exported"))
    assert tokenizer.tokenizer.pixel_levels == 256
    assert_same(tokenizer, reference)


def test_grey_images_need_no_data_set_to_be_known(tmp_path):
    folder, reference = untrained(tmp_path, channels=1)
    tokenizer = vqx.load(folder)
    assert tokenizer.channels == 1
    assert_same(tokenizer, reference, BATCH[:, :1])


@pytest.mark.parametrize("size", [(1, 1), (3, 64), (61, 75), (64, 96)])
def test_images_of_any_size_come_back_at_their_size(run, size):
    tokenizer = vqx.load(run)
    images = PHOTO[..., : size[0], 100 : 100 + size[1]].expand(2, -1, -1, -1)
    codes = tokenizer.tokenize(images)
    assert codes.dtype == torch.int64
    assert codes.shape == (2, -(-size[0] // 4), -(-size[1] // 4))
    back = tokenizer.detokenize(codes, size=size)
    assert back.dtype == torch.uint8
    assert back.shape == images.shape
    whole = tokenizer.detokenize(codes)
    assert whole.shape[-2:] == (codes.shape[1] * 4, codes.shape[2] * 4)
    assert torch.equal(whole[..., : size[0], : size[1]], back)


def test_what_lacks_repeats_the_last_row_and_column(run):
    tokenizer = vqx.load(run)
    image = PHOTO[..., :61, :75]
    rows = torch.cat([image, image[..., -1:, :].expand(-1, -1, 3, -1)], dim=2)
    padded = torch.cat([rows, rows[..., -1:]], dim=3)
    assert torch.equal(tokenizer.tokenize(image), tokenizer.tokenize(padded))


def test_float_images_and_autocast_change_no_code(run):
    tokenizer = vqx.load(run)
    codes = tokenizer.tokenize(BATCH)
    assert torch.equal(tokenizer.tokenize(BATCH.float() / 127.5 - 1), codes)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(tokenizer.tokenize(BATCH), codes)
    small = codes.to(torch.int32)
    assert torch.equal(tokenizer.detokenize(small), tokenizer.detokenize(codes))


def test_loading_leaves_the_generator_alone(run):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    vqx.load(run)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (BATCH[0], r"\(B, 3, H, W\)"),
        (BATCH[:, :1], r"\(B, 3, H, W\)"),
        (BATCH.int(), "uint8, or float"),
        (BATCH.float(), "got values up to 2"),
    ],
)
def test_other_images_are_refused(run, images, words):
    with pytest.raises(ValueError, match=words):
        vqx.load(run).tokenize(images)


@pytest.mark.parametrize(
    ("codes", "size", "words"),
    [
        (torch.zeros(1, 4, 4), None, "integers"),
        (torch.zeros(1, 4, 4, 2, dtype=torch.int64), None, r"\(B, h, w\)"),
        (torch.full((1, 4, 4), 32), None, r"\[0, 32\), got 32"),
        (torch.full((1, 4, 4), -1), None, r"\[0, 32\), got -1"),
        (torch.zeros(1, 4, 4, dtype=torch.int64), (12, 16), "does not belong"),
        (torch.zeros(1, 4, 4, dtype=torch.int64), (16, 17), "does not belong"),
    ],
)
def test_other_codes_are_refused(run, codes, size, words):
    with pytest.raises(ValueError, match=words):
        vqx.load(run).detokenize(codes, size=size)


def test_a_damaged_checkpoint_falls_back_and_a_foreign_one_is_refused(run, tmp_path):
    with pytest.raises(VqxError, match="holds no tokenizer"):
        vqx.load(tmp_path)
    with pytest.raises(CheckpointError, match="do not fit"):
        vqx.load(changed(run, tmp_path, model={"width": 8}))


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "vqx.cli.os.system",
        "vqx.models.conv.nn.Linear",
        "vqx.quantizers.base.torch.hub.load",
        "vqx.training.experiment.construct",
        "vqx.models.absent",
        "evil.run",
    ],
)
def test_a_strangers_run_can_build_parts_of_vqx_only(run, tmp_path, target, monkeypatch):
    (tmp_path / "evil.py").write_text("raise SystemExit('code of a stranger ran')")
    monkeypatch.syspath_prepend(tmp_path)
    for node in ({"_target_": target}, {"extra": [{"deep": {"_target_": target}}]}):
        (tmp_path / str(len(node))).mkdir(exist_ok=True)
        folder = changed(run, tmp_path / str(len(node)), model=node)
        with pytest.raises(ConfigError, match="allow="):
            vqx.load(folder)
        (folder / "config.yaml").unlink()
        (folder / "checkpoints").unlink()
        folder.rmdir()


def assert_refused(folder, words):
    with pytest.raises(VqxError, match=words) as raised:
        vqx.load(folder)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &a [x]\nb: *a\n", r"alias \*a"),
        ("a: &a {x: 1}\nb: {<<: [*a, *a]}\n", r"alias \*a"),
        ("a: &a [*a]\n", r"alias \*a"),
        ("a: " + "[" * 5000, "nested deeper than 20"),
        ("a: [" + "1," * 11_000 + "]", "more than 10,000"),
        ("a: 2001-99-99", "cannot be read as YAML"),
    ],
)
def test_a_file_that_would_grow_or_never_end_is_refused(tmp_path, text, words):
    (tmp_path / "config.yaml").write_text(text)
    assert_refused(tmp_path, words)


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ({"model": {"_target_": None}}, "model has no _target_"),
        ({"quantizer": {"_target_": None, "_taget_": "vqx.quantizers.FSQ"}}, "has no _target_"),
        ({"quantizer": {"_partial_": True}}, "quantizer .* cannot have _partial_"),
        ({"model": {"_target_": "os.x\x1b[2J\n"}}, r"os\.x\?\[2J\?,"),
        ({"model": {"width\n\x1b": 3}}, "width"),
        ({"model": {"width": -1}}, "width|cannot be built"),
        ({"model": {"_target_": "vqx.models.tokenizer.Tokenizer"}}, "model"),
        ({"quantizer": {"latent_channels": "x"}}, "latent_channels|cannot be built"),
        ({"data": {"channels": 65}}, "data.channels=65 must be"),
        ({"data": {"channels": "3"}}, "data.channels=3 must be"),
        ({"loss": {"terms": [1]}}, "loss.terms must be"),
        ({"loss": {"terms": {"l2": [1]}}}, "loss.terms.l2 must be"),
        ({"loss": {"terms": {"l2": {"term": "l2"}}}}, "loss.terms.l2 must be"),
        (
            {
                "loss": {
                    "terms": {"c": {"term": {"_target_": "vqx.losses.CrossEntropy", "levels": 1}}}
                }
            },
            "levels=1 must be",
        ),
    ],
)
def test_what_cannot_be_meant_is_one_line(run, tmp_path, nodes, words, caplog):
    assert_refused(changed(run, tmp_path, **nodes), words)
    assert "Error getting object" not in caplog.text


def test_a_codebook_that_has_not_started_is_refused(tmp_path):
    short = ("trainer.pretraining_steps=2", "trainer.steps=3")
    folder = trained(tmp_path, "quantizer=ema", *SMALL, *short)
    saved, _ = load_newest(folder / "checkpoints")
    saved["tokenizer"] = {
        name: torch.zeros_like(tensor) if name.endswith("initialized") else tensor
        for name, tensor in saved["tokenizer"].items()
    }
    save(folder / "checkpoints", saved, step=9)
    with pytest.raises(CheckpointError, match="has not started yet: train further"):
        vqx.load(folder)


def test_an_interpolation_cannot_hide_a_target(run, tmp_path):
    hidden = "${oc.create:{_target_: os.system, command: 'echo ran'}}"
    with pytest.raises(ConfigError, match="interpolation"):
        vqx.load(changed(run, tmp_path, quantizer={"extra": hidden}))


def test_a_module_of_ones_own_is_allowed_by_name(run, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "import os\nfrom vqx.models import conv_autoencoder\n"
        "def wide(**options):\n    return conv_autoencoder(**options)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    folder = changed(run, tmp_path, model={"_target_": "mine.wide"})
    with pytest.raises(ConfigError, match="allow=mine"):
        vqx.load(folder)
    codes = vqx.load(folder, allow=["mine"]).tokenize(BATCH)
    assert torch.equal(codes, vqx.load(run).tokenize(BATCH))
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["model"]["_target_"] = "mine.os.system"
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(ConfigError, match=r"mine\.os\.system"):
        vqx.load(folder, allow=["mine"])


def test_importing_vqx_alone_is_light():
    code = "import vqx, sys; print({'torch', 'yaml', 'hydra'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert shown.stdout.strip() == "set()"
