"""The contracts of `Quantizer`, tried out on a copy before a run.

Axes: B images, h w latent positions, K codes, D latent width, N = B h w tokens.
"""

import copy
from collections.abc import Sequence
from typing import NoReturn

import torch
import torch.nn.functional as F
from torch import Tensor

from vqx.errors import ContractBroken
from vqx.quantizers.base import Quantizer, to_rows
from vqx.quantizers.dropout import ABSENT
from vqx.quantizers.penalty import Penalty
from vqx.quantizers.restart import Restart

# Codes whose entries are watched; a larger codebook is sampled by its first codes.
WATCHED = 1024


def check_contracts(quantizer: Quantizer, *, device: torch.device | str, tokens: int = 512) -> None:
    """Raise ContractBroken, naming class and contract, if `quantizer` breaks one on `device`.

    Works on copies with random latents: the quantizer and the generators are as before. Of the
    quantizers that it is made of, one of each kind is checked too. In a process group every rank
    calls it, since initialisation and restart are collective.
    """
    device = torch.device(device)
    cuda_devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda_devices):
        torch.manual_seed(0)
        subject = copy.deepcopy(quantizer).to(device)
        z = _latents(subject, tokens, device)
        if subject.needs_initialization:
            subject.initialize(z)
            if subject.needs_initialization:
                _refuse(subject, "initialize() ends needs_initialization")
            for part in _parts(subject):
                every = range(part.codebook_size)
                _check_survival(part, every, _latents(part, tokens, device), "an initialisation")
        for part in _parts(subject):
            _check(part, _latents(part, tokens, device))


def _check(quantizer: Quantizer, z: Tensor) -> None:
    checks = (
        _check_output,
        _check_eval,
        _check_precision,
        _check_loss,
        _check_estimator,
        _check_accumulation,
    )
    for check in checks:
        check(copy.deepcopy(quantizer), z)
    for name, child in quantizer.named_children():
        if isinstance(child, Restart) and child.active:
            _check_restart(copy.deepcopy(quantizer), name, z)


def _latents(quantizer: Quantizer, tokens: int, device: torch.device) -> Tensor:
    return torch.randn(4, quantizer.latent_channels, 4, max(tokens // 16, 1), device=device)


def _parts(quantizer: Quantizer) -> list[Quantizer]:
    """The quantizer itself and one of each kind of those inside it."""
    kinds: dict[object, Quantizer] = {}
    for module in quantizer.modules():
        if isinstance(module, Quantizer):
            kind = (type(module), module.latent_channels, module.codebook_size)
            kinds.setdefault(kind, module)
    return list(kinds.values())


def _refuse(quantizer: Quantizer, contract: str) -> NoReturn:
    name = type(quantizer).__name__
    raise ContractBroken(f"{name} breaks the contract that {contract}: mend it before training")


def _require(kept: bool | Tensor, quantizer: Quantizer, contract: str) -> None:
    if not kept:
        _refuse(quantizer, contract)


def _check_output(quantizer: Quantizer, z: Tensor) -> None:
    stages = () if quantizer.codebooks == 1 else (quantizer.codebooks,)
    for training in (True, False):
        out = quantizer.train(training)(z)
        latents, codes, loss = out.latents, out.codes, out.loss
        kept = latents.dtype == torch.float32 and latents.shape == z.shape
        _require(kept, quantizer, "latents are float32 of z's shape")
        shape = (z.shape[0], *z.shape[2:], *stages)
        kept = codes.dtype == torch.int64 and codes.shape == shape
        _require(kept, quantizer, "codes are int64 (B, h, w), or (B, h, w, Q) for Q codebooks")
        lowest = ABSENT if training and quantizer.stochastic and stages else 0
        kept = (codes >= lowest).all() & (codes < quantizer.codebook_size).all()
        _require(kept, quantizer, "codes lie in [0, codebook_size)")
        kept = loss.dtype == torch.float32 and loss.ndim == 0 and bool(loss.isfinite())
        _require(kept, quantizer, "the loss is one finite float32")
        kept = all(s.ndim == 0 and not s.requires_grad for s in out.stats.values())
        _require(kept, quantizer, "stats are detached scalars")


def _check_eval(quantizer: Quantizer, z: Tensor) -> None:
    quantizer.eval()
    before = _state(quantizer)
    first, second = quantizer(z), quantizer(z)
    _require(torch.equal(first.codes, second.codes), quantizer, "two eval passes give equal codes")
    if quantizer.discrete:
        kept = torch.equal(quantizer.decode(first.codes), first.latents)
        _require(kept, quantizer, "decode(codes) equals the latents of eval")
    _require(_equal(before, _state(quantizer)), quantizer, "an eval pass changes no state")
    # What an idle update changes (a schedule's step) is the same with and without an eval pass.
    idle, seen = copy.deepcopy(quantizer).train(), copy.deepcopy(quantizer)
    seen.eval()(z)
    for one in (idle, seen):
        one.update_codebook()
    _require(_equal(_state(idle), _state(seen)), quantizer, _LEAVES_NOTHING)
    entries = quantizer.decode(first.codes)
    _require(torch.equal(entries, seen.decode(first.codes)), quantizer, _LEAVES_NOTHING)


_LEAVES_NOTHING = "an eval pass leaves nothing for update_codebook"


def _check_precision(quantizer: Quantizer, z: Tensor) -> None:
    quantizer.eval()
    contract = "codes under bf16 autocast equal float32's of the same input"
    for x in (z, z.bfloat16()):
        expected = quantizer(x.float())
        with torch.autocast(z.device.type, dtype=torch.bfloat16):
            out = quantizer(x)
            decoded = quantizer.decode(out.codes)
        _require(torch.equal(out.codes, expected.codes), quantizer, contract)
        for latents in (out.latents, decoded):
            kept = latents.dtype == torch.float32
            _require(kept, quantizer, "latents are float32 in autocast")
        if quantizer.discrete:
            kept = torch.equal(decoded, expected.latents)
            _require(kept, quantizer, "decode under autocast equals float32's latents")


def _check_loss(quantizer: Quantizer, z: Tensor) -> None:
    """The loss's gradient is the declared one, on the side of z and on that of the codebook."""
    for module in quantizer.modules():
        if isinstance(module, Penalty):
            module.enabled = False
    z = z.clone().requires_grad_()
    out = quantizer.train()(z)
    compared, entries = quantizer.compared(z), quantizer.decode(out.codes)
    if (weight := quantizer.commitment_weight) is not None:
        expected = weight * F.mse_loss(compared, entries.detach())
        kept = _close(_gradient(out.loss, [z]), _gradient(expected, [z]))
        _require(kept, quantizer, "the loss reaches z as commitment_weight declares")
    parameters = list(quantizer.parameters())
    if (weight := quantizer.codebook_weight) is not None and (weight or parameters):
        if weight and not entries.requires_grad:
            _refuse(quantizer, "a codebook_weight comes with parameters that decode depends on")
        expected = weight * F.mse_loss(entries, compared.detach())
        kept = _close(_gradient(out.loss, parameters), _gradient(expected, parameters))
        _require(kept, quantizer, "the loss reaches the codebook as codebook_weight declares")


def _check_estimator(quantizer: Quantizer, z: Tensor) -> None:
    z = z.clone().requires_grad_()
    latents = quantizer.train()(z).latents
    if not latents.requires_grad:
        _refuse(quantizer, "a gradient passes from the latents to z")
    (gradient,) = torch.autograd.grad((latents * torch.randn_like(latents)).sum(), z)
    passes = (gradient != 0).any(dim=(0, 2, 3)).all() | (quantizer.codebook_size == 1)
    kept = gradient.isfinite().all() & passes  # a mixture of one code is that code
    _require(kept, quantizer, "a gradient passes from the latents to every channel of z")


def _check_accumulation(quantizer: Quantizer, z: Tensor) -> None:
    """A batch in parts gives the loss, its gradient and the state that it gives as a whole."""
    if quantizer.stochastic:
        return
    results = []
    for parts in (1, 2):
        subject, leaf = copy.deepcopy(quantizer).train(), z.clone().requires_grad_()
        if subject.needs_survey and parts > 1:
            for micro in leaf.chunk(parts):
                subject.survey(micro)
        losses = torch.stack([subject(micro).loss for micro in leaf.chunk(parts)])
        loss = losses.mean()
        subject.update_codebook(generator=torch.Generator().manual_seed(0))
        results.append((loss.detach(), _gradient(loss, [leaf]), _state(subject)))
    (loss, at_z, state), (loss_of_parts, at_z_of_parts, state_of_parts) = results
    kept = _close(loss_of_parts, loss) and _close(at_z_of_parts, at_z)
    _require(kept, quantizer, "the loss of a batch in parts is that of the whole")
    kept = all(_close(state_of_parts[name].float(), x.float()) for name, x in state.items())
    _require(kept, quantizer, "a batch in parts moves the codebook as the whole does")


def _check_restart(quantizer: Quantizer, name: str, z: Tensor) -> None:
    """With all tokens on a few codes, the others restart, and stay where they were put."""
    restart = quantizer.get_submodule(name)
    assert isinstance(restart, Restart)
    few = z[:, :, :1, :2].repeat_interleave(z.shape[3], dim=3)
    codes_seen = 8
    restart.interval, restart.threshold = 1, len(restart.usage) / (few.numel() / few.shape[1])
    restart.reset()
    before = _entries(quantizer, z.device)
    quantizer.train()(few)
    quantizer.update_codebook()
    moved = ((_entries(quantizer, z.device) - before).abs().amax(1) > 0).nonzero()[:, 0].tolist()
    if len(before) > codes_seen and not moved:
        _refuse(quantizer, "a restart moves dead codes")
    _check_survival(quantizer, moved, z, "a restart")


def _check_survival(quantizer: Quantizer, codes: range | list[int], z: Tensor, what: str) -> None:
    """Those of `codes` that the next step does not use are not moved by it."""
    if quantizer.codebooks > 1:  # its parts are looked at one by one
        return
    quantizer = copy.deepcopy(quantizer).train()
    for module in quantizer.modules():
        if isinstance(module, Restart):
            module.policy = "none"
            module.reset()
    before = _entries(quantizer, z.device)
    one = z[-1:, :, -1:, -1:].expand(z.shape)
    used = set(quantizer(one).codes.flatten().tolist())
    quantizer.update_codebook()
    unused = [code for code in codes if code not in used and code < len(before)]
    kept = _close(_entries(quantizer, z.device)[unused], before[unused])
    _require(kept, quantizer, f"{what} survives the next update_codebook")


def _entries(quantizer: Quantizer, device: torch.device) -> Tensor:
    """The first entries of the codebook, (n, D)."""
    codes = torch.arange(min(quantizer.codebook_size, WATCHED), device=device)
    return to_rows(quantizer.decode(codes[:, None, None])).detach().clone()


def _gradient(loss: Tensor, wanted: Sequence[Tensor]) -> Tensor:
    """All gradients in one row; zeros where the loss does not depend on a tensor."""
    if not loss.requires_grad or not wanted:
        return torch.cat([torch.zeros_like(x).flatten() for x in wanted])
    found = torch.autograd.grad(loss, wanted, allow_unused=True, retain_graph=True)
    zeros = [torch.zeros_like(x) if g is None else g for x, g in zip(wanted, found, strict=True)]
    return torch.cat([x.detach().flatten() for x in zeros])


def _close(actual: Tensor, expected: Tensor) -> bool:
    """Equal to one per cent of the largest element."""
    size = float(expected.abs().max()) if expected.numel() else 0.0
    return torch.allclose(actual, expected, rtol=1e-2, atol=1e-2 * size)


def _state(quantizer: Quantizer) -> dict[str, Tensor]:
    return {name: x.detach().clone() for name, x in quantizer.state_dict().items()}


def _equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
