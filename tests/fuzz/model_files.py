"""Files of networks and codes (checkpoints, codes, exported models): writing valid ones, and all that reads them."""

import json

import numpy as np

from compare.conversion.inspection import inspect
from compare.scores.code_files import common_bits, left_out, read_codes
from shared.checkpoint import weights
from shared.checkpoint.backbone import load_backbone
from shared.checkpoint.checkpoint import KINDS as PARAMETERS
from shared.checkpoint.checkpoint import Checkpoint, open_checkpoint, read_checkpoint
from shared.codes.codes import Codes
from shared.scoring.retrieval import evaluate
from shared.worker.exported import FORMATS as EXPORTED
from shared.worker.exported import read_manifest, write_model
from tests.checkpoints import RECIPE, numbers, written
from tests.fuzz import suites
from tests.fuzz.attempts import attempt
from tests.fuzz.image_files import NOISE


def original():
    """The checkpoint that is written in every form."""
    text = json.dumps(vars(RECIPE) | {"backbone_layers": list(RECIPE.backbone_layers)})
    return Checkpoint(numbers(0), numbers(1), epoch=2, learning_rate=0.005, recipe=text, framework="torch")


def checkpoint_in(form):
    def make(folder, writer):
        (folder / form).mkdir()
        written(form, original(), folder / form, writer)

    return make


def read_any_checkpoint(folder):
    """Every reading of a checkpoint; one that succeeds gives a whole, finite network."""
    files = [file for file in sorted(folder.iterdir()) if file.suffix != ".pdopt" or len(list(folder.iterdir())) == 1]
    for file in files:
        checkpoint = attempt(read_checkpoint, file)
        if checkpoint:
            arrays = [*checkpoint.weights.values(), *(checkpoint.momentum or {}).values()]
            assert checkpoint.weights.keys() == PARAMETERS.keys()
            assert all(array.dtype == np.float32 and np.isfinite(array).all() for array in arrays)
            inspect(checkpoint)
            json.dumps(checkpoint.metadata())
            attempt(checkpoint.check_resumable, RECIPE, str(file))
            attempt(open_checkpoint, file)
        attempt(load_backbone, file, RECIPE)
        if file.suffix == ".safetensors":
            attempt(weights.load_exactly, file, RECIPE)
    return checkpoint is not None


def _some_codes():
    generator = np.random.RandomState(1)
    return {"codes": np.where(generator.rand(30, 16) > 0.5, 1, -1).astype(np.int8), "labels": np.arange(30) % 4}


def make_codes(folder, _):
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


def read_any_codes(folder):
    files = sorted(folder.iterdir())
    file = files[0] if len(files) == 1 else folder
    if file.name == "codes.npz":
        attempt(lambda: Codes.load(file).collapse)
    return attempt(_score, file) is not None


def _score(file):
    queries, items = (read_codes(file, role, with_index=True) for role in ("query", "database"))
    options = {"bits": common_bits(None, queries, items), "exclude_self": left_out(True, queries, items)}
    result = evaluate(queries.codes, queries.labels, items.codes, items.labels, **options, zeros="negative")
    assert 0 <= result.map_expected <= 1
    return result


class _Exporter:
    """Stands in for a framework: what lies in the model's own file is no matter of the manifest."""

    def write(self, form, recipe, arrays, size, folder):
        (folder / "model").write_bytes(b"a model")


def make_exported(folder, _):
    for form in EXPORTED:
        write_model(_Exporter(), form, RECIPE, numbers(0), (8, 8), folder / form)


def read_exported(folder):
    return attempt(read_manifest, folder) is not None
