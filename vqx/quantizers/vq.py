"""VQ: a codebook learned by gradients.

Axes: N tokens, K codes, D latent width.
"""

from vqx.quantizers.codebook import Distance
from vqx.quantizers.estimator import Estimator
from vqx.quantizers.gradient_codebook import GradientCodebook
from vqx.quantizers.initialization import Init
from vqx.quantizers.restart import Restart


class VQ(GradientCodebook):
    """Vector quantization with a gradient codebook (van den Oord et al. 2017, arXiv 1711.00937).

    Loss |sg(z) - q|^2 + commitment |z - sg(q)|^2, means over elements (equation 3). `beta_legacy`
    puts the weight on the first, the codebook term, as much published code does by mistake.
    orthogonal: weight of OrthogonalPenalty. The other switches are CodebookQuantizer's.
    """

    def __init__(
        self,
        codebook_size: int,
        latent_channels: int,
        *,
        commitment: float = 0.25,
        beta_legacy: bool = False,
        init: Init = "uniform",
        distance: Distance = "euclidean",
        estimator: Estimator = "ste",
        restart: Restart | bool | None = True,
        orthogonal: float = 0.0,
    ) -> None:
        super().__init__(
            codebook_size,
            latent_channels,
            init=init,
            distance=distance,
            estimator=estimator,
            restart=restart,
        )
        self.add_codebook(commitment=commitment, beta_legacy=beta_legacy, orthogonal=orthogonal)
