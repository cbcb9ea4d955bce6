"""What the two players of a GAN minimise, as functions of the discriminator's logits.

A high logit means real. Logits have any shape; every loss is their mean, () like the logits' type.
Real and fake logits are keywords throughout, so that they cannot change places unseen.
"""

from typing import Literal, get_args

import torch.nn.functional as F
from torch import Tensor

from vqx.errors import ConfigError

Objective = Literal["hinge", "non_saturating"]


def check_objective(objective: str) -> None:
    """Raise ConfigError unless `objective` is one that is known here."""
    if objective not in get_args(Objective):
        known = ", ".join(get_args(Objective))
        raise ConfigError(f"there is no GAN objective {objective!r}: choose one of {known}")


def generator_objective(objective: Objective, *, fake: Tensor) -> Tensor:
    """What the generator minimises, from the logits of its images; see discriminator_objective."""
    check_objective(objective)
    if objective == "hinge":
        return -fake.mean()
    return F.softplus(-fake).mean()  # -log sigmoid(fake)


def discriminator_objective(objective: Objective, *, real: Tensor, fake: Tensor) -> Tensor:
    """What the discriminator minimises, from its logits of real and of generated images.

    "hinge": relu(1 - real) + relu(1 + fake) (Lim and Ye 2017, arXiv 1705.02894); "non_saturating":
    the cross-entropy of both (Goodfellow et al. 2014, arXiv 1406.2661). The two means are summed,
    not averaged. Raises ConfigError for another objective.
    """
    check_objective(objective)
    if objective == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def lecam_penalty(
    *, real: Tensor, fake: Tensor, average_real: Tensor, average_fake: Tensor
) -> Tensor:
    """LeCam's regularizer (Tseng et al. 2021, arXiv 2104.03310) of the discriminator's logits.

    mean relu(real - average_fake)^2 + mean relu(average_real - fake)^2: logits are held to the
    moving averages () of the other side's, from the side that matters.
    """
    above = F.relu(real - average_fake).square().mean()
    below = F.relu(average_real - fake).square().mean()
    return above + below
