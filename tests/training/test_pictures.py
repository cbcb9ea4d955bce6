"""Pictures show what they say: the pixels of the images, the use of the codes."""

import json

import numpy as np
import torch
from PIL import Image

from vqx.metrics import Measurement
from vqx.training.evaluation import Evaluation
from vqx.training.pictures import (
    AMPLIFIED,
    plot_curves,
    plot_use,
    reconstruction_grid,
    save_picture,
)


def test_a_grid_holds_input_reconstruction_and_difference():
    real = torch.full((2, 3, 96, 96), 200, dtype=torch.uint8)
    fake = torch.full((2, 3, 96, 96), 140, dtype=torch.uint8)
    grid = np.asarray(reconstruction_grid(real, fake))
    assert grid.shape == (300, 92 + 200, 3)
    for row, value in enumerate([200, 140, 60 * AMPLIFIED]):
        tile = grid[row * 100 : row * 100 + 96, 92 : 92 + 96]
        assert (tile == value).all()


def test_grey_and_small_images_are_shown_enlarged():
    grey = torch.zeros(1, 1, 32, 32, dtype=torch.uint8)
    grid = np.asarray(reconstruction_grid(grey, grey + 255))
    assert grid.shape == (300, 192, 3)
    assert (grid[100:196, 92:188] == 255).all()


def test_plots_are_whole_pictures(tmp_path):
    lines = [
        {"kind": "train", "step": 1, "loss": 1.0, "l2": 0.5},
        {"kind": "train", "step": 2, "loss": 0.8, "l2": 0.4},
        {"kind": "evaluate", "step": 2, "psnr": 20.0},
    ]
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    plot_curves(metrics, tmp_path / "curves.png")
    players = {"discriminator": 1.9, "adversarial": -0.1, "weight_adversarial": 0.8, "usage": 0.5}
    with metrics.open("a") as file:
        file.write(json.dumps({**lines[1], "step": 3, **players, "perplexity": 3.0}) + "\n")
    plot_curves(metrics, tmp_path / "gan.png", terms=["l2", "adversarial"])
    uses = {
        "use.png": (torch.tensor([[5, 0, 1]]), None),
        "uses.png": (torch.randint(9, (4, 30)), None),
        "bits.png": (None, torch.rand(1, 36)),
        "several.png": (None, torch.rand(3, 24)),
    }
    for name, (counts, bits) in uses.items():
        keys = ("bit_entropy",) if counts is None else ("usage", "perplexity")
        found = {key: Measurement(0.5, "stamp", "higher") for key in keys}
        plot_use(Evaluation(found, counts, bits, 6, 1, (), 0.1), tmp_path / name)
    with Image.open(tmp_path / "curves.png") as plain, Image.open(tmp_path / "gan.png") as gan:
        assert gan.size[1] == 3 * plain.size[1]
    for name in ("curves.png", "gan.png", *uses):
        with Image.open(tmp_path / name) as picture:
            assert picture.size[0] > 500
            assert len(set(picture.convert("L").get_flattened_data())) > 10
    assert list(tmp_path.glob("*.tmp")) == []


def test_a_saved_picture_comes_back(tmp_path):
    picture = Image.new("RGB", (5, 4), (1, 2, 3))
    save_picture(picture, tmp_path / "new" / "a.png")
    with Image.open(tmp_path / "new" / "a.png") as back:
        assert back.getpixel((4, 3)) == (1, 2, 3)
