"""Sums of a network's features over a set of images, kept for the evaluations to come.

Axis: D feature width.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vqx.errors import VqxError
from vqx.pretrained.files import replacing


class Unreadable(VqxError):
    """A file of reference sums is damaged, or cannot be written."""


@dataclass(frozen=True, slots=True)
class Sums:
    """What is kept of a set's features: how many images, of what content, and their moments.

    `images` () and `content` () int64; `features` (D,) and `products` (D, D) float64.
    """

    images: Tensor
    content: Tensor
    features: Tensor
    products: Tensor

    def tensors(self) -> dict[str, Tensor]:
        """By name, on the CPU."""
        names = ("images", "content", "features", "products")
        return {name: getattr(self, name).cpu().contiguous() for name in names}


@dataclass(frozen=True, slots=True)
class Reference:
    """Where the sums of one set of images under one protocol are kept, in the cache.

    `protocol` holds all that the features depend on, in words that a person can read; the file is
    named for `name` and the protocol's hash.
    """

    folder: Path
    name: str
    protocol: Mapping[str, str]

    @property
    def path(self) -> Path:
        """The file."""
        digest = hashlib.sha256(self._text().encode()).hexdigest()
        return self.folder / f"{self.name}-{digest[:16]}.safetensors"

    def read(self, width: int) -> Sums | None:
        """The sums of features `width` wide, None when there are none yet.

        Raises Unreadable for a file that is damaged or of something else.
        """
        from safetensors import SafetensorError, safe_open

        if not self.path.is_file():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                metadata = file.metadata() or {}
                sums = Sums(**{name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        except (SafetensorError, OSError, TypeError, ValueError) as error:
            raise Unreadable(
                f"{self.path} is damaged ({str(error).partition(chr(10))[0]})"
            ) from error
        if metadata.get("sha256") != _sha256(sums) or sums.products.shape != (width, width):
            raise Unreadable(f"{self.path} is damaged (wrong checksum)")
        if metadata.get("protocol") != self._text():
            raise Unreadable(f"{self.path} is of another protocol")
        return sums

    def write(self, sums: Sums) -> None:
        """Keep `sums`, atomically: of runs that write at once the last one's stay.

        Raises Unreadable when the folder cannot be written.
        """
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        metadata = {
            "what": "sums of a network's features over a set of images, and of their products",
            "protocol": self._text(),
            "images": str(int(sums.images)),
            "sha256": _sha256(sums),
        }
        try:
            with replacing(self.path) as temporary:
                save_file(sums.tensors(), temporary, metadata=metadata)
        except (SafetensorError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise Unreadable(f"{self.folder} cannot be written ({reason})") from error

    def _text(self) -> str:
        return json.dumps(dict(self.protocol), sort_keys=True, ensure_ascii=False)


def _sha256(sums: Sums) -> str:
    digest = hashlib.sha256()
    for name, tensor in sums.tensors().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def precision_of(device: torch.device) -> str:
    """How exactly `device` computes convolutions of float32 at present."""
    tf32 = device.type == "cuda" and torch.backends.cudnn.allow_tf32
    return "tf32" if tf32 else "float32"
