"""The contracts of `Quantizer`, tried out on a copy before a run.

Axes: B images, h w latent positions, K codes, D latent width, N = B h w tokens.
"""

import copy
from typing import NoReturn

import torch
from torch import Tensor, nn

from vqx.errors import ContractBroken
from vqx.quantizers.base import Quantizer, to_rows
from vqx.quantizers.restart import Restart

# Codes whose entries are watched; a larger codebook is sampled by its first codes.
WATCHED = 1024


def check_contracts(quantizer: Quantizer, *, device: torch.device | str, tokens: int = 512) -> None:
    """Raise ContractBroken, naming class and contract, if `quantizer` breaks one on `device`.

    Works on copies with random latents: the quantizer and the generators are as before. In a
    process group every rank calls it, since initialisation and restart are collective.
    """
    device = torch.device(device)
    cuda_devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda_devices):
        torch.manual_seed(0)
        z = torch.randn(4, quantizer.latent_channels, 4, max(tokens // 16, 1), device=device)
        subject = copy.deepcopy(quantizer).to(device)
        if subject.needs_initialization:
            subject.initialize(z)
            if subject.needs_initialization:
                _refuse(subject, "initialize() ends needs_initialization")
            _check_survival(subject, range(subject.codebook_size), z, "an initialisation")
        for check in (_check_output, _check_eval, _check_precision, _check_loss, _check_estimator):
            check(copy.deepcopy(subject), z)
        for name, module in subject.named_modules():
            if isinstance(module, Restart) and module.policy != "none":
                _check_restart(copy.deepcopy(subject), name, z)


def _refuse(quantizer: Quantizer, contract: str) -> NoReturn:
    name = type(quantizer).__name__
    raise ContractBroken(f"{name} breaks the contract that {contract}: mend it before training")


def _require(kept: bool | Tensor, quantizer: Quantizer, contract: str) -> None:
    if not kept:
        _refuse(quantizer, contract)


def _check_output(quantizer: Quantizer, z: Tensor) -> None:
    for training in (True, False):
        out = quantizer.train(training)(z)
        latents, codes, loss = out.latents, out.codes, out.loss
        kept = latents.dtype == torch.float32 and latents.shape == z.shape
        _require(kept, quantizer, "latents are float32 of z's shape")
        kept = codes.dtype == torch.int64 and codes.shape[:3] == (z.shape[0], *z.shape[2:])
        _require(kept, quantizer, "codes are int64 (B, h, w) or (B, h, w, Q)")
        kept = (codes >= 0).all() & (codes < quantizer.codebook_size).all()
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
    entries = quantizer.decode(first.codes)
    quantizer.update_codebook()
    kept = torch.equal(entries, quantizer.decode(first.codes))
    _require(kept, quantizer, "an eval pass leaves nothing for update_codebook")


def _check_precision(quantizer: Quantizer, z: Tensor) -> None:
    quantizer.eval()
    contract = "codes under bf16 autocast equal float32's of the same input"
    for x in (z, z.bfloat16()):
        expected = quantizer(x.float())
        with torch.autocast(z.device.type, dtype=torch.bfloat16):
            out = quantizer(x)
        _require(torch.equal(out.codes, expected.codes), quantizer, contract)
        _require(out.latents.dtype == torch.float32, quantizer, "latents are float32 in autocast")


def _check_loss(quantizer: Quantizer, z: Tensor) -> None:
    """The loss's gradient is the declared one, on the side of z and on that of the codebook."""
    z = z.clone().requires_grad_()
    codebook = getattr(quantizer, "codebook", None)
    learns = isinstance(codebook, nn.Parameter)
    if quantizer.codebook_weight and not learns:
        _refuse(quantizer, "a codebook_weight comes with a parameter named codebook")
    out = quantizer.train()(z)
    at_z, at_codebook = _gradients(out.loss, z, codebook if learns else None)
    gap = (z - out.latents).detach() * 2 / z.numel()  # d mean((z - q)^2) / dz
    if quantizer.commitment_weight is not None:
        kept = _close(at_z, quantizer.commitment_weight * gap)
        _require(kept, quantizer, "the loss reaches z as commitment_weight declares")
    if quantizer.codebook_weight is not None and at_codebook is not None:
        expected = torch.zeros_like(at_codebook)
        expected.index_add_(0, out.codes.flatten(), -quantizer.codebook_weight * to_rows(gap))
        kept = _close(at_codebook, expected)
        _require(kept, quantizer, "the loss reaches the codebook as codebook_weight declares")


def _check_estimator(quantizer: Quantizer, z: Tensor) -> None:
    z = z.clone().requires_grad_()
    latents = quantizer.train()(z).latents
    if not latents.requires_grad:
        _refuse(quantizer, "a gradient passes from the latents to z")
    (gradient,) = torch.autograd.grad((latents * torch.randn_like(latents)).sum(), z)
    kept = gradient.isfinite().all() & (gradient != 0).any(dim=(0, 2, 3)).all()
    _require(kept, quantizer, "a gradient passes from the latents to every channel of z")


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


def _gradients(loss: Tensor, z: Tensor, codebook: Tensor | None) -> tuple[Tensor, Tensor | None]:
    wanted = [z] if codebook is None else [z, codebook]
    if not loss.requires_grad:
        return torch.zeros_like(z), None if codebook is None else torch.zeros_like(codebook)
    found = torch.autograd.grad(loss, wanted, allow_unused=True)
    zeros = [torch.zeros_like(x) if g is None else g for x, g in zip(wanted, found, strict=True)]
    return zeros[0], zeros[1] if codebook is not None else None


def _close(actual: Tensor, expected: Tensor) -> bool:
    """Equal to one per cent of the largest element."""
    size = float(expected.abs().max()) if expected.numel() else 0.0
    return torch.allclose(actual, expected, rtol=1e-2, atol=1e-2 * size)


def _state(quantizer: Quantizer) -> dict[str, Tensor]:
    return {name: x.detach().clone() for name, x in quantizer.state_dict().items()}


def _equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
