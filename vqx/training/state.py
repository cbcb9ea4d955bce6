"""All of a run that changes while it trains, and its way into a checkpoint and back."""

from typing import Any

import torch
from torch import nn

from vqx.models import Tokenizer
from vqx.training.adversary import Adversary
from vqx.training.averaging import WeightAverage
from vqx.training.continuity import contents_of
from vqx.training.experiment import Experiment
from vqx.training.health import CodebookHealth
from vqx.training.precision import Precision
from vqx.training.progress import Chronometer
from vqx.training.window import LossWindow


class TrainState:
    """Weights, optimizers, loss scales, averages, the open log line's sums, clocks and the step.

    `step` counts optimizer steps done; `evaluated_step` is the step of the last evaluation in
    metrics.jsonl.
    """

    def __init__(self, experiment: Experiment, *, device: torch.device) -> None:
        settings = experiment.settings
        self.tokenizer = experiment.tokenizer
        self.losses = experiment.losses
        self.parameters = [p for p in self.tokenizer.parameters() if p.requires_grad]
        self.optimizer = make_optimizer(experiment)
        self.precision = Precision(settings.precision, device)
        self.adversary = Adversary.of(self.losses, settings=settings, device=device)
        decay = settings.ema_decay
        self.average = WeightAverage(self.tokenizer, decay) if decay is not None else None
        self.window = LossWindow(device)
        self.health = CodebookHealth(self.tokenizer.quantizer, device)
        self.chronometer = Chronometer()
        self.step = 0
        self.evaluated_step = -1
        self.images = contents_of(experiment.data)
        self.replaced: list[str] = []  # names of unreadable training images, of all ranks

    @property
    def evaluated_tokenizer(self) -> Tokenizer:
        """The tokenizer that is measured: the averaged one where there is an average."""
        return self.tokenizer if self.average is None else self.average.model

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values only, so that it loads with `weights_only=True`."""
        return {
            "step": self.step,
            "evaluated_step": self.evaluated_step,
            "images": self.images,
            "replaced": self.replaced,
            "tokenizer": self.tokenizer.state_dict(),
            "losses": self.losses.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.precision.scaler.state_dict(),
            "adversary": self.adversary.state_dict() if self.adversary else None,
            "average": self.average.model.state_dict() if self.average else None,
            "window": self.window.state_dict(),
            "health": self.health.state_dict(),
            "chronometer": self.chronometer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on exactly where `state_dict` was taken."""
        self.step = state["step"]
        self.evaluated_step = state["evaluated_step"]
        self.replaced = list(state["replaced"])
        self.tokenizer.load_state_dict(state["tokenizer"])
        self.losses.load_state_dict(state["losses"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.precision.scaler.load_state_dict(state["scaler"])
        if self.adversary is not None:
            self.adversary.load_state_dict(state["adversary"])
        if self.average is not None:
            self.average.model.load_state_dict(state["average"])
        self.window.load_state_dict(state["window"])
        if "health" in state:  # checkpoints of vqx before it was kept can still be measured
            self.health.load_state_dict(state["health"])
        self.chronometer.load_state_dict(state["chronometer"])


def make_optimizer(experiment: Experiment) -> torch.optim.Optimizer:
    """Fused AdamW; weight decay on matrices and kernels, not on biases, lengths or codebooks."""
    settings = experiment.settings
    quantizer = {id(p) for p in experiment.tokenizer.quantizer.parameters()}
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in experiment.tokenizer.named_parameters():
        if parameter.requires_grad:
            length = name.endswith("parametrizations.weight.original0")  # of weight norm's vectors
            free = parameter.ndim < 2 or length or id(parameter) in quantizer
            (plain if free else decayed).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=settings.learning_rate,
        betas=settings.betas,
        amsgrad=bool(settings.amsgrad),
        fused=True,
    )
