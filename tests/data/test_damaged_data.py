"""Thousands of damaged pictures, arrays and archives: each is read or is one UserError, in bounded memory."""

import io
import resource
import tarfile

import numpy as np
import pytest
from PIL import Image

from shared.data import cifar
from shared.data.archives import read_members
from shared.data.pictures import read_picture
from shared.system.errors import UserError
from tests.helpers import must_end

CASES, MOST_KB = 3000, 1 << 20
NOISE = np.random.RandomState(0).randint(0, 256, (40, 50, 3), dtype=np.uint8)


def damaged(generator, data):
    """A few bytes changed, the more often the nearer to the start, and sometimes the end cut off."""
    data = bytearray(data)
    for _ in range(generator.choice([1, 1, 2, 6])):
        place = generator.randint(min(len(data), generator.choice([60, 600, 10**6])))
        data[place] = generator.choice([0, 1, 127, 255, 48 + generator.randint(10), generator.randint(256)])
    return bytes(data[: generator.randint(1, len(data))] if generator.rand() < 0.15 else data)


def check(seeds, read):
    """``seeds``: name -> whole file; ``read`` takes a name and a file."""
    generator, refused, names = np.random.RandomState(1), 0, list(seeds)
    for _ in range(CASES):
        name = names[generator.randint(len(names))]
        try:
            with must_end():
                read(name, damaged(generator, seeds[name]))
        except UserError:
            refused += 1
    assert CASES / 10 < refused < CASES
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < MOST_KB


@pytest.mark.slow
def test_pictures(capfd):
    seeds, image = {}, Image.fromarray(NOISE)
    kinds = [("PNG", {}), ("JPEG", {}), ("JPEG", {"progressive": True}), ("WEBP", {}), ("GIF", {}), ("BMP", {})]
    kinds += [
        ("PPM", {}),
        *(("TIFF", {"compression": c}) for c in (None, "tiff_lzw", "jpeg", "tiff_deflate", "group4")),
    ]
    for form, options in kinds:
        file = io.BytesIO()
        (image.convert("1") if options.get("compression") == "group4" else image).save(file, form, **options)
        seeds[f"{form} {options}"] = file.getvalue()
    check(seeds, lambda name, data: read_picture(io.BytesIO(data), name, (8, 8)))
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_arrays(tmp_path):
    labels = {"y_train": np.tile(np.arange(10), 3), "y_test": np.arange(10)}
    images = {"x_train": np.zeros((30, 4, 4, 3), np.uint8), "x_test": np.ones((10, 4, 4, 3), np.uint8)}
    seeds = {}
    for save in (np.savez, np.savez_compressed):
        save(file := io.BytesIO(), **images, **labels)
        seeds[save.__name__] = file.getvalue()

    def read(_name, data):
        (tmp_path / "a.npz").write_bytes(data)
        cifar.load(tmp_path / "a.npz")

    check(seeds, read)


@pytest.mark.slow
def test_archives(tmp_path):
    seeds = {}
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        for mode in ("w", "w:gz"):
            with tarfile.open(fileobj=(file := io.BytesIO()), mode=mode, format=form) as archive:
                for name, content in (("d/a.bin", b"1234"), ("d/" + "x" * 150, b"zz"), ("b", b"abc" * 50)):
                    info = tarfile.TarInfo(name)
                    info.size, info.mtime = len(content), 1.5
                    archive.addfile(info, io.BytesIO(content))
            seeds[f"{form} {mode}"] = file.getvalue()

    def read(_name, data):
        (tmp_path / "a.tar.gz").write_bytes(data)
        read_members(tmp_path / "a.tar.gz", {"a.bin": range(1, 9), "b": range(1, 1000)})

    check(seeds, read)
