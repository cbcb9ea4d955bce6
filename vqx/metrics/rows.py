"""How many images the networks of metrics take at once: what fits the device well.

That hangs on the device's memory and the images' size alone, never on the batches of an
evaluation: its numbers are the same on every run of one machine, and its memory is bounded.
"""

import torch
from torch import nn

# The largest tensor that one call should make. On CPUs more only costs time: such blocks no longer
# stay in the caches, and the allocator gives them back and asks for them anew each time.
CPU_BYTES = 16 << 20
# On GPUs about three such tensors and the convolutions' workspace are there at once, beside the
# state of a training that may hold most of the memory.
GPU_SHARE = 1 / 64


def rows_at_once(image_bytes: int, device: torch.device) -> int:
    """Images in one call whose largest tensor has `image_bytes` an image; at least 1."""
    return max(1, _largest_tensor(device) // image_bytes)


def place_network(network: nn.Module, device: torch.device | str) -> None:
    """Move `network` to `device`, its kernels laid out as that device is fastest with."""
    network.to(device)
    if torch.device(device).type == "cpu":
        network.to(memory_format=torch.channels_last)


def _largest_tensor(device: torch.device) -> int:
    if device.type != "cuda":
        return CPU_BYTES
    return int(torch.cuda.get_device_properties(device).total_memory * GPU_SHARE)
