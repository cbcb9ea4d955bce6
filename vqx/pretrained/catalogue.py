"""The pretrained networks vqx uses, and the one place each of them comes from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One network's weights: its file in the cache, and the file its authors publish at `url`.

    A `file_name` ending in .safetensors holds the tensors whose published names begin with `part`,
    under their names without it; any other file is kept as published. `sha256_prefix` is the start
    of the published file's hash.
    """

    network: str
    used_for: str
    file_name: str
    url: str
    sha256_prefix: str
    part: str = ""

    @property
    def published_name(self) -> str:
        """What the authors call their file."""
        return self.url.rpartition("/")[2]


ALEXNET = WeightFile(
    network="alexnet",
    used_for="metric lpips (alex)",
    file_name="alexnet-features.safetensors",
    url="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    sha256_prefix="7be5be79",
    part="features.",
)
VGG16 = WeightFile(
    network="vgg16",
    used_for="loss lpips (vgg), metric fd_vgg16",
    file_name="vgg16-features.safetensors",
    url="https://download.pytorch.org/models/vgg16-397923af.pth",
    sha256_prefix="397923af",
    part="features.",
)
INCEPTION = WeightFile(
    network="inception",
    used_for="metric rfid",
    file_name="inception-fid.safetensors",
    url="https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth",
    sha256_prefix="6726825d",
)
CATALOGUE = {entry.network: entry for entry in (ALEXNET, VGG16, INCEPTION)}
