"""IBQ: the code of highest score, a gradient for all codes, and three quantization terms."""

import pytest
import torch
import torch.nn.functional as F

from tests.quantizers import reference
from tests.quantizers.cases import latents
from vqx.errors import ConfigError
from vqx.quantizers import check_contracts
from vqx.quantizers.directions import unit_vectors
from vqx.quantizers.ibq import IBQ
from vqx.quantizers.restart import Restart

DISTANCES = ["dot", "euclidean", "cosine"]


def make(K=24, D=6, **arguments):
    """An IBQ without penalties unless asked, the same for every call."""
    off = {"entropy_weight": 0.0, "double_weight": 0.0, "init": "normal"}
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return IBQ(K, D, **{**off, **arguments})


def _scores(token, codebook, distance):
    """The score of each entry (K,), one at a time."""
    score = {
        "dot": lambda z, e: z @ e,
        "euclidean": lambda z, e: -(z - e).square().sum(),
        "cosine": lambda z, e: F.cosine_similarity(z, e, dim=0),
    }[distance]
    return torch.stack([score(token, entry) for entry in codebook])


def _q_ste(z, codebook, distance):
    """(onehot + p - sg(p)) E (B, D, h, w), one token at a time: the paper's latents."""
    if distance == "cosine":
        codebook = F.normalize(codebook, dim=1)
    rows = []
    for token in reference.tokens(z):
        p = _scores(token, codebook, distance).softmax(0)
        onehot = F.one_hot(p.argmax(), len(p))
        rows.append((onehot + p - p.detach()) @ codebook)
    return torch.stack(rows).view(len(z), *z.shape[2:], -1).movedim(-1, 1)


@pytest.mark.parametrize("distance", DISTANCES)
def test_codes_have_the_highest_score_and_latents_are_their_entries(distance):
    quantizer, z = make(distance=distance), 3 * latents(2)
    out = quantizer(z)
    entries = quantizer.codebook.detach()
    expected = [int(_scores(t, entries, distance).argmax()) for t in reference.tokens(z)]
    assert out.codes.flatten().tolist() == expected
    seen = unit_vectors(entries, 1) if distance == "cosine" else entries
    assert torch.equal(out.latents, seen[out.codes].movedim(-1, 1))
    assert torch.equal(quantizer.decode(out.codes), out.latents)


def test_the_highest_score_is_not_the_nearest():
    codebook = torch.tensor([[1.0], [5.0]])
    for distance, code in {"dot": 1, "euclidean": 0}.items():
        quantizer = make(2, 1, distance=distance)
        quantizer.codebook.data = codebook
        assert quantizer(torch.ones(1, 1, 1, 1)).codes.item() == code


def test_ties_go_to_the_lowest_index():
    quantizer = make(5, 2)
    quantizer.codebook.data = torch.tensor([[0.0, 1], [1, 0], [0, 1], [1, 0], [0.5, 0.5]])
    assert quantizer(torch.ones(1, 2, 1, 3)).codes.flatten().tolist() == [0, 0, 0]


def test_the_gradient_of_one_token_by_hand():
    """dz = sum p_k a_k E_k and dE_k = [k = i] g + p_k a_k z, with a_k = g E_k - g (p E)."""
    quantizer, z, g = make(7, 3), torch.randn(3), torch.randn(3)
    leaf = z.view(1, 3, 1, 1).clone().requires_grad_()
    out = quantizer(leaf)
    out.latents.backward(g.view(1, 3, 1, 1))
    E = quantizer.codebook.detach()
    p = (E @ z).softmax(0)
    soft, at_z = p @ E, torch.zeros(3)
    for k in range(7):
        a = g @ E[k] - g @ soft
        at_z += p[k] * a * E[k]
        expected = (out.codes.item() == k) * g + p[k] * a * z
        torch.testing.assert_close(quantizer.codebook.grad[k], expected)
    torch.testing.assert_close(leaf.grad.flatten(), at_z)


@pytest.mark.parametrize("distance", DISTANCES)
def test_the_latents_have_the_papers_gradient(distance):
    quantizer, z = make(distance=distance), latents(2).requires_grad_()
    g = torch.randn(z.shape)
    wanted = [z, quantizer.codebook]
    expected = torch.autograd.grad(_q_ste(*wanted, distance), wanted, g)
    actual = torch.autograd.grad(quantizer(z).latents, wanted, g)
    for a, b in zip(actual, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_every_code_learns_from_the_decoder_used_or_not():
    quantizer = IBQ(512, 64)
    out = quantizer(torch.randn(1, 64, 2, 2))
    assert out.codes.unique().numel() < 5
    out.latents.square().sum().backward()
    assert (quantizer.codebook.grad != 0).any(1).all()


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("double", [0.0, 1.0, 0.4])
@pytest.mark.parametrize(("beta_legacy", "at_z", "at_codebook"), [(False, 0.3, 1), (True, 1, 0.3)])
def test_loss_terms_and_where_their_gradients_go(distance, double, beta_legacy, at_z, at_codebook):
    arguments = {"commitment": 0.3, "beta_legacy": beta_legacy, "double_weight": double}
    quantizer = make(distance=distance, **arguments)
    z, codebook = latents(2).requires_grad_(), quantizer.codebook
    out = quantizer(z)
    compared = F.normalize(z, dim=1) if distance == "cosine" else z
    q = quantizer.decode(out.codes)
    mean = compared.sub(q).square().mean().item()
    assert out.loss.item() == pytest.approx((1.3 + double) * mean, rel=1e-5)
    q_ste = _q_ste(z, codebook, distance)
    expected = (
        at_z * (compared - q.detach()).square().mean()
        + at_codebook * (q - compared.detach()).square().mean()
        + double * (q_ste - compared).square().mean()
    )
    for a, b in zip(
        torch.autograd.grad(out.loss, [z, codebook]),
        torch.autograd.grad(expected, [z, codebook]),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("distance", DISTANCES)
def test_the_entropies_are_of_tempered_scores(distance):
    z = latents(2).requires_grad_()
    arguments = {"entropy_weight": 2.0, "diversity": 0.5, "temperature": 0.6}
    quantizer, without = make(distance=distance, **arguments), make(distance=distance)
    scores = torch.stack(
        [_scores(t, quantizer.codebook, distance) for t in reference.tokens(z)]
    ).double()
    log_p = (scores / 0.6).log_softmax(1)
    mean = log_p.exp().mean(0)
    expected = 2 * (0.5 * (mean * mean.log()).sum() - (log_p.exp() * log_p).sum(1).mean())
    wanted = [z, quantizer.codebook]
    actual = [quantizer(z).loss - without(z).loss.detach()]
    actual += torch.autograd.grad(quantizer(z).loss, wanted)
    plain = torch.autograd.grad(without(z).loss, [z, without.codebook])
    actual = [actual[0], *(a - b for a, b in zip(actual[1:], plain, strict=True))]
    for a, b in zip(
        actual, [expected.float(), *torch.autograd.grad(expected, wanted)], strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_memory_layout_and_autocast_change_nothing():
    quantizer, z = make(entropy_weight=0.1, double_weight=1.0), latents(4)
    expected = quantizer(z)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = quantizer(z)
    strided = torch.zeros(4, 6, 8, 6)[:, :, ::2, ::2].copy_(z)
    for out in (
        cast,
        quantizer(z.contiguous(memory_format=torch.channels_last)),
        quantizer(strided),
    ):
        assert torch.equal(out.codes, expected.codes)
        assert torch.equal(out.latents, expected.latents)
        assert out.latents.is_contiguous()
        torch.testing.assert_close(out.loss, expected.loss)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"double_weight": -1.0}, "double_weight -1.0"),
        ({"commitment": -1.0}, "commitment -1.0"),
        ({"init": "zeros"}, "IBQ init 'zeros'"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ConfigError, match=message):
        IBQ(4, 2, **arguments)


@pytest.mark.parametrize("policy", ["batch_vectors", "usage_copies", "cvq"])
def test_restart_is_refused_where_length_wins(policy):
    with pytest.raises(ConfigError, match="IBQ restart with distance=dot: a code put on a latent"):
        make(restart=Restart(policy))
    for distance in ("euclidean", "cosine"):
        check_contracts(make(distance=distance, restart=Restart(policy)), device="cpu")
    assert make(restart=Restart("none")).restart.policy == "none"
