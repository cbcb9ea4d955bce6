"""What a preparation keeps of every image until it is finished."""

import numpy as np

from vqx.data.prepared.encoding import UNREADABLE, Encoded

RECORD = np.dtype(
    [
        ("mode", "u1"),
        ("height", "<u4"),
        ("width", "<u4"),
        ("offset", "<u8"),
        ("size", "<u8"),
        ("sha256", "u1", (32,)),
    ]
)


def record_of(image: Encoded, offset: int) -> np.ndarray:
    """RECORD () of an image whose content begins at `offset` of its file."""
    digest = np.frombuffer(image.sha256, np.uint8)
    fields = (image.mode, image.height, image.width, offset, len(image.content), digest)
    return np.array(fields, RECORD)


def stored(records: np.ndarray) -> np.ndarray:
    """Those of `records` (N,) whose images are stored."""
    return records[records["mode"] != UNREADABLE]
