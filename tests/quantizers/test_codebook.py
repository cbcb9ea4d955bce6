"""What VQ and EMA share: layout, decode, init, accumulation, ranks, checkpoints."""

import copy

import pytest
import torch
from torch.nn.parallel import DistributedDataParallel

from tests.quantizers import reference
from tests.quantizers.cases import assert_same_state, latents, make, seeded, train, train_case
from vqx.collectives import rank, world_size
from vqx.errors import ConfigError
from vqx.quantizers import EMA, VQ, Restart
from vqx.quantizers.base import to_rows

KINDS = ["vq", "ema"]
RESTART = {"interval": 2, "threshold": 0.3}
# (kind, restart, arguments): every way a codebook moves without gradients.
CASES = [
    ("ema", None, {"ema_init": "ones", "decay": 0.7}),
    ("ema", None, {"ema_init": "zeros", "decay": 0.7}),
    ("ema", None, {"init": "batch"}),
    ("ema", None, {"init": "kmeans"}),
    ("ema", RESTART, {"ema_init": "ones"}),
    ("ema", RESTART, {"init": "kmeans"}),
    ("vq", RESTART, {"init": "normal"}),
    ("vq", RESTART, {"init": "batch"}),
    ("vq", None, {"init": "kmeans"}),
]


def _ready(kind, **arguments):
    return make(
        kind, **({"ema_init": "ones"} if kind == "ema" else {"init": "uniform"}), **arguments
    )


@pytest.mark.parametrize("kind", KINDS)
def test_codes_are_the_nearest_entries_in_image_order(kind):
    quantizer, z = _ready(kind), latents(2)
    out = quantizer(z)
    expected = reference.nearest(torch.stack(reference.tokens(z)), quantizer.codebook.detach())
    assert out.codes.shape == (2, 4, 3)
    assert out.codes.flatten().tolist() == expected
    for token, code in zip(reference.tokens(out.latents), expected, strict=True):
        assert torch.equal(token, quantizer.codebook[code])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("training", [True, False])
def test_decode_gives_exactly_the_latents(kind, training):
    quantizer = _ready(kind).train(training)
    out = quantizer(1e3 * latents(3))
    assert torch.equal(quantizer.decode(out.codes), out.latents)


@pytest.mark.parametrize("kind", KINDS)
def test_memory_layout_changes_nothing(kind):
    quantizer, z = _ready(kind).eval(), latents(2).contiguous()
    expected = quantizer(z)
    strided = torch.zeros(2, 6, 8, 6)[:, :, ::2, ::2]
    strided.copy_(z)
    for other in (z.contiguous(memory_format=torch.channels_last), strided):
        out = quantizer(other)
        assert torch.equal(out.codes, expected.codes)
        assert torch.equal(out.latents, expected.latents)
        assert out.latents.is_contiguous()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_and_low_precision_input_are_quantized_in_float32(kind, dtype):
    quantizer, z = _ready(kind), latents(4).to(dtype)
    expected = quantizer(z.float())
    with torch.autocast("cpu", dtype=dtype):
        out = quantizer(z)
    assert torch.equal(out.codes, expected.codes)
    assert out.latents.dtype == out.loss.dtype == torch.float32
    assert torch.equal(out.loss, expected.loss)


@pytest.mark.parametrize("kind", KINDS)
def test_eval_and_an_idle_update_leave_all_state(kind):
    quantizer = _ready(kind, restart={"interval": 1}).eval()
    before = {name: x.clone() for name, x in quantizer.state_dict().items()}
    quantizer(latents(2))
    quantizer.update_codebook()
    before["restart.steps"] += 1
    for name, x in quantizer.state_dict().items():
        assert torch.equal(x, before[name]), name


@pytest.mark.parametrize("cls", [VQ, EMA])
@pytest.mark.parametrize("init", ["batch", "kmeans"])
@pytest.mark.parametrize(("K", "D"), [(1, 4), (4, 1), (1, 1)])
def test_smallest_sizes(cls, init, K, D):
    quantizer = cls(K, D, init=init)
    z = torch.randn(3, D, 2, 5)
    quantizer.initialize(z, generator=seeded())
    for _ in range(3):
        out = quantizer(z)
        quantizer.update_codebook()
    assert out.latents.shape == z.shape
    assert ((out.codes >= 0) & (out.codes < K)).all()
    assert quantizer.codebook.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_batch_init_takes_distinct_latents(kind):
    quantizer, z = make(kind, init="batch"), latents(4)
    quantizer.initialize(z, generator=seeded())
    distance, origin = torch.cdist(quantizer.codebook, to_rows(z)).min(1)
    assert distance.max() < 1e-2
    assert len(origin.unique()) == 24
    quantizer.eval()
    assert quantizer(z).codes.unique().numel() == 24


@pytest.mark.parametrize("kind", KINDS)
def test_kmeans_init_fits_better_than_batch_and_survives_a_step(kind):
    z, errors = latents(8), {}
    for init in ("batch", "kmeans"):
        quantizer = make(kind, init=init)
        quantizer.initialize(z, generator=seeded())
        errors[init] = (quantizer(z).latents - z).square().mean().item()
    assert errors["kmeans"] < 0.9 * errors["batch"]
    before = quantizer.codebook.clone()
    quantizer.update_codebook()
    assert (quantizer.codebook - before).norm() < 0.01 * before.norm()


@pytest.mark.parametrize("kind", KINDS)
def test_training_before_initialisation_is_refused(kind):
    quantizer = make(kind, init="kmeans")
    assert quantizer.needs_initialization
    with pytest.raises(ConfigError, match="initialize"):
        quantizer(latents(1))
    quantizer.eval()(latents(1))
    quantizer.train().initialize(latents(2))
    assert not quantizer.needs_initialization
    quantizer(latents(1))


@pytest.mark.parametrize(("kind", "restart", "arguments"), CASES)
def test_accumulation_of_four_eights_equals_thirty_two(kind, restart, arguments):
    whole = train_case(kind, restart, arguments, 6, 1)
    assert_same_state(train_case(kind, restart, arguments, 6, 4), whole)


@pytest.mark.parametrize(("kind", "restart", "arguments"), CASES)
def test_two_ranks_equal_one(two_ranks, kind, restart, arguments):
    expected = train_case(kind, restart, arguments, 6, 1)
    first, second = two_ranks(train_case, kind, restart, arguments, 6, 2)
    assert_same_state(first, expected)
    for name in first:  # and the ranks agree to the bit
        assert torch.equal(first[name], second[name]), name


def _train_in_ddp():
    """Two micro-batches a step, with DistributedDataParallel broadcasting buffers as it does."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(6, 6, 1), make("ema", RESTART, ema_init="ones"))
    forward = DistributedDataParallel(model) if world_size() > 1 else model
    g = seeded()
    for step in range(4):
        for micro in latents(16, seed=step).chunk(world_size())[rank()].chunk(2):
            forward(micro)
        model[1].update_codebook(generator=g)
    return model[1].state_dict()


def test_broadcast_buffers_do_not_disturb_accumulation(two_ranks):
    expected = _train_in_ddp()
    for state in two_ranks(_train_in_ddp):
        assert_same_state(state, expected)


@pytest.mark.slow
def test_four_ranks_equal_one(four_ranks):
    expected = train_case(*CASES[5], 6, 1)
    for state in four_ranks(train_case, *CASES[5], 6, 1):
        assert_same_state(state, expected)


@pytest.mark.parametrize(("kind", "restart", "arguments"), CASES)
def test_a_checkpoint_continues_bit_for_bit(tmp_path, kind, restart, arguments):
    quantizer = make(kind, restart, **arguments)
    train(quantizer, 3)
    torch.save(quantizer.state_dict(), tmp_path / "state.pt")
    loaded = make(kind, restart, **arguments)
    loaded.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert not loaded.needs_initialization
    expected, actual = train(quantizer, 4), train(loaded, 4)
    for name in expected:
        assert torch.equal(actual[name], expected[name]), name


def test_an_uninitialised_checkpoint_still_needs_initialisation():
    state = make("ema", init="kmeans").state_dict()
    quantizer = make("ema", init="batch")
    quantizer.initialize(latents(3))
    quantizer.load_state_dict(state)
    assert quantizer.needs_initialization


@pytest.mark.slow
@pytest.mark.parametrize("micro_batches", [1, 9, 20])
def test_a_compiled_forward_is_not_compiled_anew_every_step(micro_batches):
    torch.compiler.reset()
    graphs = []

    def backend(graph, _):
        graphs.append(graph)
        return graph

    quantizer = make("ema", {"interval": 4}, ema_init="ones")
    eager = copy.deepcopy(quantizer)
    compiled = torch.compile(quantizer, backend=backend)
    for step in range(12):
        for part in range(micro_batches):
            compiled(latents(4, seed=100 * part + step))
            eager(latents(4, seed=100 * part + step))
        for q in (quantizer, eager):
            q.update_codebook(generator=seeded(step))
    # Search and accumulation break the graph; how often must not depend on how much there is.
    assert len(graphs) <= 7
    torch.testing.assert_close(quantizer.codebook, eager.codebook)


@pytest.mark.parametrize("shape", [(2, 5, 4, 4), (2, 6, 4)])
def test_wrong_shapes_are_named(shape):
    with pytest.raises(ValueError, match=r"VQ wants latents \(B, 6, h, w\)"):
        make("vq")(torch.zeros(shape))


@pytest.mark.parametrize("cls", [VQ, EMA])
def test_restart_is_on_unless_turned_off(cls):
    assert cls(4, 2).restart.policy == "batch_vectors"
    assert cls(4, 2, restart=None).restart is None
    assert cls(4, 2, restart=False).restart is None
    own = Restart(interval=3)
    assert cls(4, 2, restart=own).restart is own
    with pytest.raises(ConfigError, match="serves one quantizer"):
        cls(4, 2, restart=own)


@pytest.mark.parametrize("cls", [VQ, EMA])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"codebook_size": 0}, "codebook_size 0"),
        ({"latent_channels": 0}, "latent_channels 0"),
        ({"commitment": -1.0}, "commitment"),
    ],
)
def test_wrong_arguments_are_named(cls, arguments, message):
    with pytest.raises(ConfigError, match=message):
        cls(**{"codebook_size": 4, "latent_channels": 2, **arguments})
