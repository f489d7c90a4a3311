"""The kinds of strangers' files: for each how valid ones are written, how they are changed, and all that reads them."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.fuzz import image_files as images
from tests.fuzz import model_files as models
from tests.fuzz import mutations, structures, suites

NEEDS_TORCH = frozenset({"lightning", "torch", "greedyhash"})


@dataclass(frozen=True)
class Kind:
    """``make`` writes folders of valid files into a folder, with PyTorch's writer where it is needed.

    One file of one folder, of those that match ``pattern``, is changed by one of ``changes``, then ``read`` reads the
    folder. ``cases`` is the number of them in a whole run.
    """

    make: Callable
    changes: tuple[Callable, ...]
    read: Callable
    cases: int
    pattern: str = "*"


def _make_suite(folder, _):
    (folder / "suite").mkdir()
    suites.write_valid_suite(folder / "suite")


def _change_suite(data, choose):
    return (mutations.changed_text if data[:1] in b"{[" else mutations.changed_csv)(data, choose)


def _read_suite(folder, drawn=True):
    return suites.read_everything(folder, drawn).endswith("[]")


_OF_BYTES, _TORCH = (mutations.changed_bytes,), (mutations.changed_bytes, *(structures.changed_zip,) * 3)
_PICKLE = (mutations.changed_bytes, structures.changed_pickle, structures.changed_pickle)
KINDS = {
    "neutral": Kind(
        models.checkpoint_in("neutral"),
        (mutations.changed_bytes, *(structures.changed_safetensors,) * 3),
        models.read_any_checkpoint,
        1200,
    ),
    **{form: Kind(models.checkpoint_in(form), _TORCH, models.read_any_checkpoint, 700) for form in sorted(NEEDS_TORCH)},
    "paddle": Kind(models.checkpoint_in("paddle"), _PICKLE, models.read_any_checkpoint, 1500),
    "codes-npz": Kind(
        models.make_codes,
        (mutations.changed_bytes, structures.changed_zip),
        models.read_any_codes,
        900,
        "*.npz",
    ),
    "codes-npy": Kind(
        models.make_codes,
        (mutations.changed_bytes, structures.changed_npy),
        models.read_any_codes,
        500,
        "*.npy",
    ),
    "codes-mat": Kind(
        models.make_codes,
        (mutations.changed_bytes, structures.changed_matlab),
        models.read_any_codes,
        500,
        "*.mat",
    ),
    "images": Kind(images.make_images, (mutations.changed_bytes, structures.changed_zip), images.load_images, 600),
    "archive": Kind(images.make_archives, (mutations.changed_bytes, structures.changed_tar), images.read_archive, 700),
    "batches": Kind(images.make_batches, (images.change_batch,), images.load_images, 200, "data_batch_1*"),
    "pictures": Kind(images.make_pictures, _OF_BYTES, images.read_any_picture, 900),
    "suite": Kind(_make_suite, (_change_suite,), _read_suite, 600, "*.[jc]s*"),
    "manifest": Kind(models.make_exported, (mutations.changed_text,), models.read_exported, 300, "*.json"),
}
