""".beton files as image sets: JPEG, files made elsewhere, damaged ones."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.data.files import noise
from tests.data.loaders import evaluated, prepared, steps, write_tree
from vqx.data import folder
from vqx.data.prepared.beton import ALLOCATION, FIELD, HEADER, IMAGE, JPG, RAW
from vqx.data.prepared.beton_file import open_beton
from vqx.errors import ConfigError, DataError

needs_ffcv = pytest.mark.ffcv  # whose library decodes JPEG
OPTIONS = {"image_size": 6, "workers": 2, "loader": "ffcv"}


def smooth(height, width, seed):
    """An image that JPEG keeps well."""
    small = Image.fromarray(noise(4, 4, seed=seed))
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


def write_beton(path, images, *, encoded=None, version=2, fields=((2, "image"),)):
    """A file by the format's definition, smallest first; `encoded`: JPEG bytes by index."""
    kinds = [(name, IMAGE if kind == 2 else "<i8") for kind, name in fields]
    metadata = np.zeros(len(images), np.dtype(kinds, align=True))
    descriptors = np.zeros(len(fields), FIELD)
    for row, (kind, name) in enumerate(fields):
        descriptors[row]["type_id"] = kind
        descriptors[row]["name"][: len(name)] = list(name.encode())
    place = HEADER.itemsize + descriptors.nbytes + metadata.nbytes
    place += -place % 4096
    content, table, start = b"", np.zeros(len(images), ALLOCATION), place
    for i, pixels in enumerate(images):
        data = (encoded or {}).get(i) or pixels.tobytes()
        mode = JPG if i in (encoded or {}) else RAW
        if "image" in metadata.dtype.names:
            metadata["image"][i] = (mode, pixels.shape[1], pixels.shape[0], start + len(content))
        # Writers of several processes leave their tables one after another.
        table[-1 - i] = (i, start + len(content), len(data))
        content += data
    header = np.array([(version, len(fields), 4096, len(images), start + len(content))], HEADER)
    head = header.tobytes() + descriptors.tobytes() + metadata.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head.ljust(start, b"\0") + content + table.tobytes())
    return path


@pytest.fixture
def images():
    return [noise(8 + i % 3, 8 + i % 4, seed=i) for i in range(7)]


@pytest.fixture
def elsewhere(tmp_path, images):
    write_beton(tmp_path / "train.beton", images, fields=((1, "label"), (2, "image"), (0, "x")))
    write_beton(tmp_path / "val.beton", images[:4])
    return tmp_path


def test_files_made_elsewhere_are_read_as_they_are(elsewhere, images):
    data = folder(root=elsewhere, **OPTIONS, shuffle=False, random_crop=False, flip=False)
    (batch,) = steps(data, 1, batch_size=7)
    for window, pixels in zip(batch, images, strict=True):
        top, left = ((side - 6) // 2 for side in pixels.shape[:2])
        expected = pixels[top : top + 6, left : left + 6].transpose(2, 0, 1)
        assert np.array_equal(window, expected)
    assert data.evaluation.split == "validation"
    assert "prepared elsewhere" in data.evaluation.description
    for keys in ({"load_size": 8}, {"channels": 1}):
        with pytest.raises(ConfigError, match=r"made elsewhere .* set data\.load_size=null"):
            folder(root=elsewhere, **(OPTIONS | keys))
    with pytest.raises(DataError, match=r"side of 8 pixels, data\.image_size=9 is more"):
        folder(root=elsewhere, **(OPTIONS | {"image_size": 9}))


def cut_at(place):
    return lambda path, content: path.write_bytes(content[:place])


DAMAGES = {
    "empty": (cut_at(0), "cannot be read"),
    "header": (cut_at(10), "ends within its header"),
    "descriptors": (cut_at(500), "ends within its field descriptors"),
    "metadata": (cut_at(1090), "ends within its metadata"),
    "pages": (cut_at(5000), "its writer was ended, or it was cut off"),
    "table": (cut_at(-24), "allocation table does not know"),
    "unfinished": (
        lambda path, content: path.write_bytes(content[:16] + bytes(8) + content[24:]),
        "its writer was ended",
    ),
    "version": (lambda path, _: write_beton(path, [noise(8, 8)], version=3), "version 3, not 2"),
    "no image": (
        lambda path, _: write_beton(path, [noise(8, 8)], fields=((1, "label"),)),
        "no field of images",
    ),
    "custom": (
        lambda path, _: write_beton(path, [noise(8, 8)], fields=((255, "a"), (2, "image"))),
        "a field of the unknown type 255",
    ),
    "none": (lambda path, _: write_beton(path, []), "no images"),
    "another size": (
        lambda path, _: _rewrite(path, "width", 9),
        "size is not that of their pixels",
    ),
    "another place": (lambda path, _: _rewrite(path, "data_ptr", 1 << 40), "does not know"),
    "another mode": (lambda path, _: _rewrite(path, "mode", 7), "unknown mode 7"),
}


def _rewrite(path, key, value):
    write_beton(path, [noise(8, 8)])
    content = bytearray(path.read_bytes())
    start = HEADER.itemsize + FIELD.itemsize
    entry = np.frombuffer(content, IMAGE, 1, start)
    entry[key] = value
    path.write_bytes(content)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_or_foreign_file_is_one_line(damage, elsewhere):
    do, message = DAMAGES[damage]
    path = elsewhere / "val.beton"
    do(path, path.read_bytes())
    with pytest.raises(DataError, match=message) as caught:
        folder(root=elsewhere, **OPTIONS)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def jpeg(pixels, quality=95):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality)
    return out.getvalue()


@needs_ffcv
@pytest.mark.parametrize("workers", [0, 3])
def test_jpeg_is_decoded_beside_raw(workers, tmp_path):
    images = [smooth(16, 20 + i, i) for i in range(6)]
    encoded = {i: jpeg(images[i]) for i in (1, 2, 5)}
    for name in ("train", "validation"):
        write_beton(tmp_path / f"{name}.beton", images, encoded=encoded)
    data = folder(root=tmp_path, **(OPTIONS | {"image_size": 16, "workers": workers}))
    got = np.concatenate(evaluated(data))
    for i, (window, pixels) in enumerate(zip(got, images, strict=True)):
        left = (pixels.shape[1] - 16) // 2
        whole = np.asarray(Image.open(io.BytesIO(encoded[i]))) if i in encoded else pixels
        difference = np.abs(window.transpose(1, 2, 0).astype(int) - whole[:, left : left + 16])
        assert difference.max() <= (16 if i in encoded else 0)  # another, rougher cosine transform
    assert "turbojpeg" in data.evaluation.description
    with pytest.raises(ConfigError, match=r"holds JPEG images: set data\.loader=ffcv"):
        folder(root=tmp_path, image_size=16, loader="memory")


@needs_ffcv
def test_a_damaged_jpeg_stops_the_run_or_is_skipped(tmp_path):
    images = [smooth(16, 16, i) for i in range(6)]
    whole, other = jpeg(images[1]), jpeg(smooth(24, 24, 9))
    encoded = {1: whole[:-40], 2: other, 3: jpeg(images[3])}
    for name in ("train", "validation"):
        write_beton(tmp_path / f"{name}.beton", images, encoded=encoded)
    options = OPTIONS | {"image_size": 16, "root": tmp_path, "shuffle": False, "flip": False}
    with pytest.raises(DataError, match=r"image 1 in .*validation\.beton cannot be read"):
        evaluated(folder(**options))
    data = folder(**options, broken="skip")
    assert sum(len(batch) for batch in evaluated(data)) == 4
    assert data.evaluation.left_out == ["image 1", "image 2"]
    (batch,) = steps(data, 1, batch_size=6)
    assert np.array_equal(batch[1], batch[3])
    assert np.array_equal(batch[2], batch[3])
    assert data.train.left_out == ["image 1", "image 2"]


@needs_ffcv
def test_the_stamp_names_jpeg_and_its_decoder(tmp_path):
    root = write_tree(tmp_path / "images", broken=False)
    prepared(root, tmp_path / "jpg", evaluation_mode="jpg", quality=90)
    data = folder(root=tmp_path / "jpg", **OPTIONS)
    said = "stored as JPEG of quality 90 (decoder: ffcv's turbojpeg, fast DCT)"
    assert data.evaluation.description.endswith(said)
    assert "JPEG" not in data.train.description
    assert folder(root=tmp_path / "jpg", image_size=6).loader == "ffcv (auto: its images are JPEG)"


def test_more_or_fewer_images_than_the_manifest_says_is_an_error(tmp_path, images):
    root = write_tree(tmp_path / "images", broken=False)
    prepared(root, tmp_path / "out")
    write_beton(tmp_path / "out/validation.beton", images)
    with pytest.raises(DataError, match="holds 7 images, its manifest says 8"):
        folder(root=tmp_path / "out", **OPTIONS)


# In a process of its own: importing ffcv sets torch to one thread for good.
WRITING = """
import sys
import numpy as np
from ffcv.fields import IntField, RGBImageField
from ffcv.libffcv import imdecode
from ffcv.reader import Reader
from ffcv.writer import DatasetWriter

with np.load(sys.argv[1]) as file:
    images = [file[name] for name in file.files]

class Labelled:
    def __len__(self):
        return len(images)

    def __getitem__(self, i):
        return i, images[i]

for split, mode in (("train", "raw"), ("val", "jpg")):
    path = f"{sys.argv[2]}/{split}.beton"
    fields = {"label": IntField(), "image": RGBImageField(write_mode=mode)}
    DatasetWriter(path, fields, num_workers=2).from_indexed_dataset(Labelled(), chunksize=2)

reader = Reader(path)
content, decoded = np.fromfile(path, np.uint8), []
sizes = {int(ptr): int(size) for _, ptr, size in reader.alloc_table}
for _, (mode, width, height, ptr) in reader.metadata:
    pixels = np.empty((height, width, 3), np.uint8)
    encoded = content[int(ptr) : int(ptr) + sizes[int(ptr)]]
    imdecode(encoded, pixels, height, width, height, width)
    decoded.append(pixels)
np.savez(sys.argv[3], *decoded)
"""


@needs_ffcv
@pytest.mark.slow
def test_files_of_ffcvs_writer_are_read_bit_for_bit_and_jpeg_as_ffcv_decodes(tmp_path):
    images = [smooth(20 + i % 3, 24 + i % 5, seed=i) for i in range(11)]
    np.savez(tmp_path / "images.npz", *images)
    arguments = [str(tmp_path / name) for name in ("images.npz", "", "decoded.npz")]
    subprocess.run(
        [sys.executable, "-c", WRITING, *arguments],
        env={**os.environ, "NUMBA_THREADING_LAYER": "omp"},
        check=True,
        capture_output=True,
        timeout=300,
    )
    raw, jpg = (open_beton(tmp_path / f"{name}.beton") for name in ("train", "val"))
    with np.load(tmp_path / "decoded.npz") as file:
        decoded = [file[name] for name in file.files]
    for i, pixels in enumerate(images):
        assert np.array_equal(raw.pixels(i), pixels)
        assert np.array_equal(jpg.pixels(i), decoded[i])
    data = folder(root=tmp_path, image_size=20, loader="ffcv")
    assert (len(data.train), len(data.evaluation)) == (11, 11)
