"""The kinds of strangers' files: for each how sound ones are written, how they are changed, and all that reads them."""

import io
import json
import pickle
import tarfile
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from compare.conversion.inspection import inspect
from compare.scores.code_files import common_bits, left_out, read_codes
from shared.checkpoint import weights
from shared.checkpoint.backbone import load_backbone
from shared.checkpoint.checkpoint import KINDS as PARAMETERS
from shared.checkpoint.checkpoint import Checkpoint, open_checkpoint, read_checkpoint
from shared.codes.codes import Codes
from shared.data import cifar
from shared.data.archives import read_members
from shared.data.pictures import FORMATS, read_picture, suffixes
from shared.scoring.retrieval import evaluate
from shared.system.errors import UserError
from shared.worker.exported import FORMATS as EXPORTED
from shared.worker.exported import read_manifest, write_model
from tests.checkpoints import RECIPE, numbers, written
from tests.fuzz import mutations, structures, suites

NOISE = np.random.RandomState(0).randint(0, 256, (40, 50, 3), dtype=np.uint8)
BATCHES = (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch")
NEEDS_TORCH = frozenset({"lightning", "torch", "greedyhash"})


@dataclass(frozen=True)
class Kind:
    """``make`` writes folders of sound files into a folder, with PyTorch's writer where it is needed.

    One file of one folder, of those that match ``spoiled``, is changed by one of ``changes``, then ``read`` reads the
    folder. ``cases`` is the number of them in a whole run.
    """

    make: Callable
    changes: tuple[Callable, ...]
    read: Callable
    cases: int
    spoiled: str = "*"


def original():
    """The checkpoint that is written in every form."""
    text = json.dumps(vars(RECIPE) | {"backbone_layers": list(RECIPE.backbone_layers)})
    return Checkpoint(numbers(0), numbers(1), epoch=2, learning_rate=0.005, recipe=text, framework="torch")


def _checkpoint_in(form):
    def make(folder, writer):
        (folder / form).mkdir()
        written(form, original(), folder / form, writer)

    return make


def _attempt(read, *arguments):
    """What it reads; None where it says in a line of bounded length why it does not."""
    try:
        return read(*arguments)
    except UserError as error:
        said = str(error)
    assert len(said) < 6000, "a message without bound"
    return None


def _read_checkpoint(folder):
    """Every reading of a checkpoint; one that succeeds gives a whole, finite network."""
    files = [file for file in sorted(folder.iterdir()) if file.suffix != ".pdopt" or len(list(folder.iterdir())) == 1]
    for file in files:
        found = _attempt(read_checkpoint, file)
        if found:
            arrays = [*found.weights.values(), *(found.momentum or {}).values()]
            assert found.weights.keys() == PARAMETERS.keys()
            assert all(array.dtype == np.float32 and np.isfinite(array).all() for array in arrays)
            inspect(found)
            json.dumps(found.metadata())
            _attempt(found.check_resumable, RECIPE, str(file))
            _attempt(open_checkpoint, file)
        _attempt(load_backbone, file, RECIPE)
        if file.suffix == ".safetensors":
            _attempt(weights.load_exactly, file, RECIPE)
    return found is not None


def _some_codes():
    generator = np.random.RandomState(1)
    return {"codes": np.where(generator.rand(30, 16) > 0.5, 1, -1).astype(np.int8), "labels": np.arange(30) % 4}


def _make_codes(folder, _):
    from scipy.io import savemat

    arrays, octets = _some_codes(), {"codes": NOISE[:30, :2, 0], "labels": np.arange(30) % 4, "bits": np.array(16)}
    sides = {f"{side}_{name}": array for side in ("query", "database") for name, array in arrays.items()}
    for name, content in {"plain": arrays, "octets": octets, "sides": sides}.items():
        for save, how in ((np.savez, "stored"), (np.savez_compressed, "packed")):
            (folder / f"{name}-{how}").mkdir()
            save(folder / f"{name}-{how}" / "some.npz", **content)
        (folder / f"{name}-mat").mkdir()
        savemat(folder / f"{name}-mat" / "some.mat", content, do_compression=name != "octets")
    (folder / "run").mkdir()
    suites.some_codes().save(folder / "run" / "codes.npz")
    (folder / "npy").mkdir()
    for name in ("tst", "trn"):
        np.save(folder / "npy" / f"{name}_binary.npy", arrays["codes"])
        np.save(folder / "npy" / f"{name}_label.npy", arrays["labels"])


def _read_codes(folder):
    files = sorted(folder.iterdir())
    file = files[0] if len(files) == 1 else folder
    if file.name == "codes.npz":
        _attempt(lambda: Codes.load(file).collapse)
    return _attempt(_score, file) is not None


def _score(file):
    queries, items = (read_codes(file, role, with_index=True) for role in ("query", "database"))
    options = {"bits": common_bits(None, queries, items), "exclude_self": left_out(True, queries, items)}
    result = evaluate(queries.codes, queries.labels, items.codes, items.labels, **options, zeros="negative")
    assert 0 <= result.map_expected <= 1
    return result


def _make_images(folder, _):
    labels = {"y_train": np.tile(np.arange(10), 3), "y_test": np.arange(10)}
    images = {"x_train": np.zeros((30, 4, 4, 3), np.uint8), "x_test": np.ones((10, 4, 4, 3), np.uint8)}
    for save in (np.savez, np.savez_compressed):
        (folder / save.__name__).mkdir()
        save(folder / save.__name__ / "some.npz", **images, **labels)


def _load(folder):
    files = sorted(folder.iterdir())
    found = _attempt(cifar.load, str(files[0] if len(files) == 1 else folder))
    if found:
        assert found.pixels.dtype == np.uint8
        assert found.labels.shape == found.pixels.shape[:1]
        _attempt(cifar.split, found.labels)
    return found is not None


def _make_archives(folder, _):
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


def _read_archive(folder):
    [file] = folder.iterdir()
    _load(folder)
    return _attempt(read_members, file, {"data_batch_1.bin": range(1, 9), "b": range(1, 1000)}) is not None


def _make_batches(folder, _):
    """CIFAR-10's own sizes, in both of its layouts."""
    pixels, labels = np.zeros((10_000, 3072), np.uint8), [n % 10 for n in range(10_000)]
    record = np.concatenate([np.array(labels, np.uint8)[:, None], pixels], axis=1).tobytes()
    batch = pickle.dumps({b"data": pixels, b"labels": labels, b"filenames": [b"a.png"] * 10_000}, 2)
    for layout, suffix, content in (("bin", ".bin", record), ("py", "", batch)):
        (folder / layout).mkdir()
        first = folder / layout / f"data_batch_1{suffix}"
        first.write_bytes(content)
        for name in BATCHES[1:]:
            (folder / layout / f"{name}{suffix}").hardlink_to(first)


def _change_batch(data, choose):
    return structures.changed_pickle(data, choose) if data[:1] == b"\x80" else mutations.changed_bytes(data, choose)


def _make_pictures(folder, _):
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


def _read_picture(folder):
    if (folder / "train").exists():
        assert ".png" in suffixes()
        return _load(folder)
    found = _attempt(read_picture, folder / "picture", "picture", (8, 8))
    assert found is None or (found.dtype, found.shape) == (np.uint8, (8, 8, 3))
    return found is not None


def _make_suite(folder, _):
    (folder / "suite").mkdir()
    suites.write_sound_suite(folder / "suite")


def _change_suite(data, choose):
    return (mutations.changed_text if data[:1] in b"{[" else mutations.changed_csv)(data, choose)


def _read_suite(folder, drawn=True):
    said = suites.read_everything(folder, drawn)
    return said.endswith("[]")


class _Exporter:
    """Stands in for a framework: what lies in the model's own file is no matter of the manifest."""

    def write(self, form, recipe, arrays, size, folder):
        (folder / "model").write_bytes(b"a model")


def _make_exported(folder, _):
    for form in EXPORTED:
        write_model(_Exporter(), form, RECIPE, numbers(0), (8, 8), folder / form)


def _read_exported(folder):
    return _attempt(read_manifest, folder) is not None


_OF_BYTES, _TORCH = (mutations.changed_bytes,), (mutations.changed_bytes, *(structures.changed_zip,) * 3)
_PICKLE = (mutations.changed_bytes, structures.changed_pickle, structures.changed_pickle)
KINDS = {
    "neutral": Kind(
        _checkpoint_in("neutral"),
        (mutations.changed_bytes, *(structures.changed_safetensors,) * 3),
        _read_checkpoint,
        1200,
    ),
    **{form: Kind(_checkpoint_in(form), _TORCH, _read_checkpoint, 700) for form in sorted(NEEDS_TORCH)},
    "paddle": Kind(_checkpoint_in("paddle"), _PICKLE, _read_checkpoint, 1500),
    "codes-npz": Kind(_make_codes, (mutations.changed_bytes, structures.changed_zip), _read_codes, 900, "*.npz"),
    "codes-npy": Kind(_make_codes, (mutations.changed_bytes, structures.changed_npy), _read_codes, 500, "*.npy"),
    "codes-mat": Kind(_make_codes, (mutations.changed_bytes, structures.changed_matlab), _read_codes, 500, "*.mat"),
    "images": Kind(_make_images, (mutations.changed_bytes, structures.changed_zip), _load, 600),
    "archive": Kind(_make_archives, (mutations.changed_bytes, structures.changed_tar), _read_archive, 700),
    "batches": Kind(_make_batches, (_change_batch,), _load, 200, "data_batch_1*"),
    "pictures": Kind(_make_pictures, _OF_BYTES, _read_picture, 900),
    "suite": Kind(_make_suite, (_change_suite,), _read_suite, 600, "*.[jc]s*"),
    "manifest": Kind(_make_exported, (mutations.changed_text,), _read_exported, 300, "*.json"),
}
