"""How many images a metric takes at once: of the device and their size, and of no consequence."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.metrics.test_image import NO_CODES
from tests.metrics.test_ssim import noisy_pair
from vqx.metrics import Frechet, ImageErrors, Lpips, Metric, rows

CPU = torch.device("cpu")


def test_at_least_one_and_as_many_as_fit() -> None:
    assert [rows.rows_at_once(rows.CPU_BYTES // n, CPU) for n in (1, 5)] == [1, 5]
    assert rows.rows_at_once(100 * rows.CPU_BYTES, CPU) == 1


def test_a_gpu_gives_a_share_of_all_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    class Properties:
        total_memory = 64 << 30

    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: Properties)
    assert rows.rows_at_once(16 << 20, torch.device("cuda")) == 64


@pytest.mark.parametrize("kind", ["image", "lpips", "fd_vgg16"])
def test_the_number_changes_no_result(
    kind: str, alexnet_file: Path, vgg16_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build: dict[str, Callable[[], Metric]] = {
        "image": ImageErrors,
        "lpips": lambda: Lpips(weights=alexnet_file),
        "fd_vgg16": lambda: Frechet("vgg16", weights=vgg16_file),
    }
    metric = build[kind]().to("cpu")
    calls, results = [], []
    add = metric._add
    for largest in (1, 2 * metric.image_bytes(36, 40, 3), 1 << 40):
        monkeypatch.setattr(rows, "CPU_BYTES", largest)
        seen: list[int] = []

        def counted(real: torch.Tensor, *others: torch.Tensor, seen: list[int] = seen) -> None:
            seen.append(len(real))
            add(real, *others)

        monkeypatch.setattr(metric, "_add", counted)
        metric.reset()
        metric.update(*noisy_pair((5, 3, 36, 40)), NO_CODES)
        calls.append(seen)
        results.append({key: m.value for key, m in metric.compute().items()})
    assert calls == [[1] * 5, [2, 2, 1], [5]]
    assert results[1] == pytest.approx(results[0], rel=1e-5)
    assert results[2] == pytest.approx(results[0], rel=1e-5)
