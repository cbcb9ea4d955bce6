"""Masked training, pretraining and the codebook's late start, a GAN: trained, stopped, resumed."""

import pytest
import torch
import torch.distributed as dist

from tests.bits import assert_same_bits
from tests.commands import TINY, lines_of, result_of
from vqx.config import composed, run_name
from vqx.errors import CheckpointError, ConfigError
from vqx.runs.folder import RunFolder
from vqx.training.checkpoints import load_newest
from vqx.training.evaluation import variants_of
from vqx.training.inputs import micro_batches_of
from vqx.training.launch import run_training
from vqx.training.masking import PatchMask
from vqx.training.measure import measure
from vqx.training.plan import Plan
from vqx.training.update import Update
from vqx.training.world import World

CPU = torch.device("cpu")
ADVERSARIAL = (
    "loss=vqgan",
    "~loss.terms.lpips",
    "loss.terms.adversarial.start_step=2",
    "loss.terms.adversarial.term.lecam_weight=0.1",
    "loss.terms.adversarial.term.r1_gamma=1",
    "loss.terms.adversarial.term.r1_interval=2",
    "loss.terms.adversarial.term.discriminator.width=8",
    "loss.terms.adversarial.term.discriminator.layers=2",
)
RECIPES = {
    "gan": ("quantizer=vq", "codebook_size=16", *ADVERSARIAL),
    "pretraining": (
        "quantizer=ema",
        "codebook_size=16",
        "loss=normalized_l2",
        "trainer.pretraining_steps=3",
        "trainer.codebook_batches=2",
        "trainer.ema_decay=0.9",
    ),
    "masked": ("quantizer=soft", "trainer.mask_share=0.5", "trainer.mask_patch=8"),
    "categorical": ("quantizer=fsq", "loss=cross_entropy"),
}


def trained(tmp_path, recipe, *, stop_at=()):
    """Folder of a run of seven steps, broken off before each step in `stop_at` and resumed."""
    overrides = [*TINY, *RECIPES[recipe], f"results={tmp_path}", "trainer.steps=7"]
    config = composed([*overrides, "trainer.checkpoint_every=1", "data.image_size=16"])
    folder = RunFolder(tmp_path / "runs" / run_name(config))
    step_of = Update.__call__
    stops = list(stop_at)

    class Stop(Exception):
        pass

    def stopping(self, batches, *, step, quantize=True):
        if stops and step == stops[0]:
            stops.pop(0)
            raise Stop
        return step_of(self, batches, step=step, quantize=quantize)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Update, "__call__", stopping)
        for _ in stop_at:
            with pytest.raises(Stop):
                run_training(config, folder, overrides=overrides)
    run_training(config, folder, overrides=overrides)
    return folder.path


# The one with 256 logits a value takes as long as the others together.
_SLOW = pytest.param("categorical", marks=pytest.mark.long)


@pytest.fixture(
    scope="module", params=[*(name for name in RECIPES if name != "categorical"), _SLOW]
)
def unbroken(request, tmp_path_factory):
    return request.param, trained(tmp_path_factory.mktemp("unbroken"), request.param)


def test_a_run_resumed_at_every_stage_has_the_bits_of_the_unbroken_one(unbroken, tmp_path):
    recipe, theirs = unbroken
    ours = trained(tmp_path, recipe, stop_at=(2, 3, 5))
    assert result_of(ours)["metrics"] == result_of(theirs)["metrics"]
    assert lines_of(ours) == lines_of(theirs)
    our_state, state = (load_newest(folder / "checkpoints")[0] for folder in (ours, theirs))
    for part in ("tokenizer", "losses", "adversary", "optimizer", "average", "window", "health"):
        assert_same_bits(our_state[part], state[part])


def test_what_a_recipe_leaves_in_its_run(unbroken):
    recipe, folder = unbroken
    lines = [line for line in lines_of(folder) if line["kind"] == "train"]
    result = result_of(folder)
    if recipe == "gan":
        weights = [line["weight_adversarial"] for line in lines]
        assert weights[0] == 0 < weights[-1]
        assert lines[-1]["r1"] > 0
        assert result["model"]["discriminator_parameters"] > 0
        state = load_newest(folder / "checkpoints")[0]
        steps = [s["step"] for s in state["adversary"]["optimizer"]["state"].values()]
        assert {int(step) for step in steps} == {5}  # of seven, from the third on
        assert {int(s["step"]) for s in state["optimizer"]["state"].values()} == {7}
    if recipe == "pretraining":
        assert "quantizer" not in lines[0]
        assert "quantizer" in lines[-1]
        assert result["metrics"]["usage"]["value"] > 0.2
        evaluated = [line["step"] for line in lines_of(folder) if line["kind"] == "evaluate"]
        assert evaluated == [6, 7]
    if recipe == "masked":
        for prefix in ("masked_", "masked_soft_", "soft_"):
            assert f"{prefix}psnr" in result["metrics"]
        stamp = result["metrics"]["masked_psnr"]["stamp"]
        assert "50% of its 8x8 patches dropped" in stamp
    if recipe == "categorical":
        assert lines[-1]["cross_entropy"] < lines[0]["cross_entropy"] < 6


def test_kmeans_sees_as_many_batches_as_asked_for_and_moves_on_from_there(tmp_path):
    seen = []
    from vqx.training import loop

    def noted(tokenizer, inputs, *, batches, generator):
        started(tokenizer, inputs, batches=batches, generator=generator)
        seen.append((batches, tokenizer.quantizer.codebook.clone()))

    started = loop.start_codebook
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "start_codebook", noted)
        trained(tmp_path, "pretraining")
    ((batches, codebook),) = seen
    assert batches == 2
    assert codebook.unique(dim=0).shape == codebook.shape


def drawn(parts):
    """This rank's inputs of one step, for a global batch of 6."""
    rank = dist.get_rank() if dist.is_initialized() else 0
    size = dist.get_world_size() if dist.is_initialized() else 1
    images = torch.full((6, 3, 20, 20), 255, dtype=torch.uint8)
    mine = images.tensor_split(size)[rank].tensor_split(parts)
    world, mask = World(rank, size, CPU), PatchMask(0.5, 8)
    made = micro_batches_of(mine, step=4, seed=1, batch_size=6, world=world, mask=mask)
    assert all(torch.equal(batch.target, torch.ones_like(batch.target)) for batch in made)
    return torch.cat([batch.inputs for batch in made])


def test_dropped_patches_do_not_depend_on_ranks_and_micro_batches(two_ranks):
    whole = drawn(1)
    assert torch.equal(drawn(3), whole)
    assert torch.equal(torch.cat(two_ranks(drawn, 2)), whole)
    patch = whole[:, :, :8, :8].flatten(1)
    assert (patch == patch[:, :1]).all()  # a patch goes as a whole
    assert 0 < whole.mean() < 1


def test_an_evaluations_mask_is_a_function_of_the_image_alone():
    images = torch.randint(256, (2000, 3, 20, 20), dtype=torch.uint8)
    mask = PatchMask(0.3, 8)
    kept = mask.of_content(images)
    assert kept.shape == (2000, 1, 3, 3)
    assert torch.equal(mask.of_content(images.flip(0)).flip(0), kept)
    assert torch.equal(mask.of_content(images[5:6]), kept[5:6])
    shares = kept.float().mean((0, 1))
    assert (shares - 0.7).abs().max() < 0.05  # at each place
    pairs = torch.corrcoef(kept.flatten(1).float().T) - torch.eye(9)
    assert pairs.abs().max() < 0.1  # and independent of the others


def test_variants_are_soft_masked_or_both():
    mask = PatchMask(0.5, 8)
    assert variants_of([], discrete=True, mask=None) == []
    found = variants_of([], discrete=False, mask=mask)
    assert [v.prefix for v in found] == ["soft_", "masked_", "masked_soft_"]


def test_no_evaluation_before_codes_are_trained():
    plan = Plan(20, 5, 5, 5, pretraining_steps=10)
    assert [s for s in range(20) if plan.evaluates_at(s)] == [15]
    assert plan.evaluations_left(0) == 2
    assert not plan.quantizes_at(9)
    assert plan.quantizes_at(10)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["trainer.pretraining_steps=7"], "leaves none of the 7 steps"),
        (["trainer.mask_share=0.5"], "need each other"),
        (["trainer.mask_patch=8"], "need each other"),
        (["loss=vqgan", "~loss.terms.lpips", "loss.terms.adversarial.start_step=7"], "after the r"),
        (["trainer.mask_share=1.0", "trainer.mask_patch=8"], "from 0 to below 1"),
        (["trainer.decay=exponential"], "null, cosine, linear, constant"),
        (["trainer.codebook_batches=0"], "a whole number from 1 on"),
        (["model.norm=batch", "trainer.accumulation=2"], "the model has batch normalisation"),
        (["loss=vqgan", "loss.terms.adversarial.term.adaptive=perceptual", "~loss.terms.lpips"],
         "needs an LPIPS term"),
        (["loss=maskgit_gan", "~loss.terms.lpips", "trainer.accumulation=4"], "groups of 4 images"),
    ],
)  # fmt: skip
def test_recipes_that_cannot_be_are_refused(overrides, message, tmp_path):
    base = [*TINY, f"results={tmp_path}", "trainer.steps=7"]
    config = composed([*base, *overrides])
    with pytest.raises(ConfigError, match=message):
        run_training(config, RunFolder(tmp_path / "runs" / "x"), overrides=[])


def test_a_run_stopped_in_pretraining_has_no_codes_to_measure(tmp_path):
    overrides = [*TINY, f"results={tmp_path}", "trainer.steps=6", "trainer.pretraining_steps=4"]
    config = composed([*overrides, "trainer.checkpoint_every=1"])
    folder = RunFolder(tmp_path / "runs" / "x")
    with pytest.MonkeyPatch.context() as patch:
        step_of = Update.__call__

        def stopping(self, batches, *, step, quantize=True):
            if step == 3:
                raise KeyboardInterrupt
            return step_of(self, batches, step=step, quantize=quantize)

        patch.setattr(Update, "__call__", stopping)
        with pytest.raises(KeyboardInterrupt):
            run_training(config, folder, overrides=[])
    with pytest.raises(CheckpointError, match="in its 4 steps of pretraining"):
        measure(config, folder)


def test_schedules_of_a_quantizer_begin_when_it_does(tmp_path):
    """And a quantizer without any start from data can be pretrained too."""
    overrides = [*TINY, f"results={tmp_path}", "trainer.steps=6", "trainer.pretraining_steps=50%"]
    folder = RunFolder(tmp_path / "runs" / "x")
    run_training(composed([*overrides, "quantizer=gumbel"]), folder, overrides=[])
    state = load_newest(folder.path / "checkpoints")[0]["tokenizer"]
    assert {int(value) for name, value in state.items() if name.endswith(".steps")} == {3}
