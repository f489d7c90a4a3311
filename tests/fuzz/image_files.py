"""Files of images (arrays, archives, CIFAR-10's batches, pictures): writing valid ones, and all that reads them."""

import io
import pickle
import tarfile

import numpy as np
from PIL import Image

from shared.data import cifar
from shared.data.archives import read_members
from shared.data.pictures import FORMATS, read_picture, suffixes
from tests.fuzz import mutations, structures
from tests.fuzz.attempts import attempt

NOISE = np.random.RandomState(0).randint(0, 256, (40, 50, 3), dtype=np.uint8)
_BATCHES = (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch")


def make_images(folder, _):
    labels = {"y_train": np.tile(np.arange(10), 3), "y_test": np.arange(10)}
    images = {"x_train": np.zeros((30, 4, 4, 3), np.uint8), "x_test": np.ones((10, 4, 4, 3), np.uint8)}
    for save in (np.savez, np.savez_compressed):
        (folder / save.__name__).mkdir()
        save(folder / save.__name__ / "some.npz", **images, **labels)


def load_images(folder):
    files = sorted(folder.iterdir())
    dataset = attempt(cifar.load, str(files[0] if len(files) == 1 else folder))
    if dataset:
        assert dataset.pixels.dtype == np.uint8
        assert dataset.labels.shape == dataset.pixels.shape[:1]
        attempt(cifar.split, dataset.labels)
    return dataset is not None


def make_archives(folder, _):
    members = (("d/data_batch_1.bin", b"1234"), ("d/" + "x" * 150, b"zz"), ("b", b"abc" * 50))
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        for mode, suffix in (("w", "tar"), ("w:gz", "tar.gz")):
            place = folder / f"{form}-{suffix}"
            place.mkdir()
            with tarfile.open(place / f"some.{suffix}", mode=mode, format=form) as archive:
                for name, content in members:
                    info = tarfile.TarInfo(name)
                    info.size, info.mtime = len(content), 1.5
                    archive.addfile(info, io.BytesIO(content))


def read_archive(folder):
    [file] = folder.iterdir()
    load_images(folder)
    return attempt(read_members, file, {"data_batch_1.bin": range(1, 9), "b": range(1, 1000)}) is not None


def make_batches(folder, _):
    """CIFAR-10's own sizes, in both of its layouts."""
    pixels, labels = np.zeros((10_000, 3072), np.uint8), [n % 10 for n in range(10_000)]
    record = np.concatenate([np.array(labels, np.uint8)[:, None], pixels], axis=1).tobytes()
    batch = pickle.dumps({b"data": pixels, b"labels": labels, b"filenames": [b"a.png"] * 10_000}, 2)
    for layout, suffix, content in (("bin", ".bin", record), ("py", "", batch)):
        (folder / layout).mkdir()
        first = folder / layout / f"data_batch_1{suffix}"
        first.write_bytes(content)
        for name in _BATCHES[1:]:
            (folder / layout / f"{name}{suffix}").hardlink_to(first)


def change_batch(data, choose):
    return structures.changed_pickle(data, choose) if data[:1] == b"\x80" else mutations.changed_bytes(data, choose)


def make_pictures(folder, _):
    image, tiffs = Image.fromarray(NOISE), (None, "tiff_lzw", "jpeg", "tiff_deflate", "group4")
    forms = [(form, {}) for form in FORMATS] + [("JPEG", {"progressive": True})]
    forms += [("TIFF", {"compression": compression}) for compression in tiffs]
    for number, (form, options) in enumerate(forms):
        (folder / str(number)).mkdir()
        black = image.convert("1") if options.get("compression") == "group4" else image
        black.save(folder / str(number) / "picture", form, **options)
    for part in ("train", "test"):
        for name in range(10):
            (folder / "classes" / part / f"c{name}").mkdir(parents=True)
            image.save(folder / "classes" / part / f"c{name}" / "1.png")


def read_any_picture(folder):
    if (folder / "train").exists():
        assert ".png" in suffixes()
        return load_images(folder)
    pixels = attempt(read_picture, folder / "picture", "picture", (8, 8))
    assert pixels is None or (pixels.dtype, pixels.shape) == (np.uint8, (8, 8, 3))
    return pixels is not None
