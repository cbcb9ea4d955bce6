"""The trainer's settings as one checked, immutable object."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from vqx.durations import Duration
from vqx.errors import ConfigError
from vqx.guard import nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainerSettings:
    """conf/trainer/default.yaml says what each field means; construction checks ranges."""

    steps: Duration
    batch_size: int
    accumulation: int
    devices: int
    device: str
    precision: str
    learning_rate: float
    minimum_learning_rate: float
    warmup_steps: int
    betas: tuple[float, float]
    weight_decay: float
    clip_norm: float | None
    ema_decay: float | None
    compile: bool
    channels_last: bool
    deterministic: bool
    log_every: Duration
    evaluate_every: Duration | None
    checkpoint_every: Duration | None
    evaluation_batch_size: int
    collapse_floor: float | None = None
    decay: str | None = None
    amsgrad: bool | None = None
    mask_share: float | None = None
    mask_patch: int | None = None
    pretraining_steps: Duration | None = None
    codebook_batches: int | None = None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "TrainerSettings":
        """Settings from the plain `trainer` node. Raises ConfigError for an unknown key."""
        known = {field.name for field in fields(cls)}
        for key in config:
            if key not in known:
                raise ConfigError(f"'trainer.{key}' is no option{nearest(key, known)}")
        return cls(**{**config, "betas": tuple(config["betas"])})

    def __post_init__(self) -> None:
        for name in _COUNTS:
            _require(self, name, type(getattr(self, name)) is int, "a whole number")
            _require(self, name, getattr(self, name) >= _COUNTS[name], f"at least {_COUNTS[name]}")
        for name in ("learning_rate", "minimum_learning_rate", "weight_decay"):
            _require(self, name, _is_number(getattr(self, name)), "a number")
            _require(self, name, getattr(self, name) >= 0, "0 or more")
        for name in ("clip_norm", "ema_decay", "collapse_floor"):
            value = getattr(self, name)
            _require(self, name, value is None or _is_number(value), "a number or null")
        for name in ("compile", "channels_last", "deterministic"):
            _require(self, name, type(getattr(self, name)) is bool, "true or false")
        betas_fit = len(self.betas) == 2 and all(_is_number(b) and 0 <= b < 1 for b in self.betas)
        _require(self, "betas", betas_fit, "two numbers from 0 to 1")
        _require(self, "learning_rate", self.learning_rate > 0, "positive")
        _require(
            self, "precision", self.precision in ("fp32", "bf16", "fp16"), "fp32, bf16 or fp16"
        )
        _require(self, "device", self.device in ("auto", "cpu", "cuda"), "auto, cpu or cuda")
        _require(self, "clip_norm", self.clip_norm is None or self.clip_norm > 0, "positive, null")
        decay = self.ema_decay
        _require(self, "ema_decay", decay is None or 0 < decay < 1, "between 0 and 1, or null")
        floor = self.collapse_floor
        _require(
            self, "collapse_floor", floor is None or 0 < floor <= 1, "above 0, at most 1, or null"
        )
        self._check_recipe()
        if self.batch_size < self.devices * self.accumulation:
            raise ConfigError(
                f"trainer.batch_size={self.batch_size} is the global batch: it cannot be divided "
                f"over devices={self.devices} x accumulation={self.accumulation}"
            )

    def _check_recipe(self) -> None:
        decays = ("cosine", "linear", "constant")
        _require(self, "decay", self.decay in (None, *decays), f"null, {', '.join(decays)}")
        _require(self, "amsgrad", self.amsgrad in (None, True, False), "true, false or null")
        share = self.mask_share
        fits = share is None or (_is_number(share) and 0 <= share < 1)
        _require(self, "mask_share", fits, "from 0 to below 1, or null")
        for name in ("mask_patch", "codebook_batches"):
            value = getattr(self, name)
            fits = value is None or (type(value) is int and value >= 1)
            _require(self, name, fits, "a whole number from 1 on, or null")
        if bool(share) != (self.mask_patch is not None):
            raise ConfigError(
                f"trainer.mask_share={share} and trainer.mask_patch={self.mask_patch} (the side of "
                "a dropped patch in pixels) need each other"
            )


_COUNTS = {
    "batch_size": 1,
    "accumulation": 1,
    "devices": 1,
    "evaluation_batch_size": 1,
    "warmup_steps": 0,
}


def _is_number(value: object) -> bool:
    return type(value) in (int, float)


def _require(settings: TrainerSettings, name: str, holds: bool, wanted: str) -> None:
    if not holds:
        raise ConfigError(f"trainer.{name} must be {wanted}; got {getattr(settings, name)!r}")
