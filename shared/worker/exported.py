"""A folder with an exported model: its manifest, how it is written and checked, and ONNX, which needs no framework."""

import dataclasses
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from shared.checkpoint import weights
from shared.codes.encoding import BATCH_SIZE
from shared.codes.finite import may_overflow, reaches
from shared.codes.predictions import Outputs
from shared.config.recipe import Recipe, recipe_from_dict
from shared.data.cifar import class_name
from shared.system.errors import UserError, printable
from shared.system.files import new_folder, read_json, remove, scratch_beside, sha256_of, write_json
from shared.system.machine import num_threads
from shared.system.schema import ANY, LINE, Each, Record, Row, one_of, whole
from shared.worker.contract import Exporter, Model

MANIFEST = "manifest.json"
INPUT = "images"
ONNX, ONNX_FILE = "onnx", "model.onnx"
# before the name of a format, in an answer to the alignment ladder: why there are no outputs of it
LEFT_OUT = "left out."


class MissingPackage(UserError):
    """A package of one of this project's extras is not installed."""


class Format(NamedTuple):
    """A form of exported model: the worker that writes it, and the packages whose versions matter.

    ``is_program``: whether running it can do what its author likes.
    """

    worker: str
    packages: tuple[str, ...]
    is_program: bool = False


FORMATS = {
    # ONNX Runtime computes with the operators it has, and reads no file outside the model's folder
    ONNX: Format("torch_impl", ("torch", "onnx", "onnxscript")),
    # torch.export.load unpickles what the archive holds, and evaluates its expressions
    "torch-export": Format("torch_impl", ("torch",), is_program=True),
    # a program may hold the operator save, which writes any file
    "paddle-inference": Format("paddle_impl", ("paddlepaddle", "paddlepaddle-gpu"), is_program=True),
}
_SIDE = whole(1, 2**16)
_LARGEST = 2**32  # bytes of a file, ten times the full network
_MANIFEST = Record(
    {
        "format": one_of(*FORMATS),
        "recipe": ANY,
        "checkpoint_sha256": LINE,
        "size": Row((_SIDE, _SIDE)),
        "files": Each(LINE, key=LINE),
        "versions": Each(LINE, key=LINE),
    },
    open=True,
)


@dataclass(frozen=True)
class Manifest:
    """What lies in the folder of an exported model: enough to use it without this project.

    ``size`` is the height and width of the images it takes; ``files`` names its files with their SHA-256.
    """

    format: str
    recipe: Recipe
    checkpoint_sha256: str
    size: tuple[int, int]
    files: dict[str, str]
    versions: dict[str, str]

    def save(self, folder: Path) -> None:
        """Write it, with names, types and shapes of input and outputs, and what the classes are called."""
        bits, num_classes = self.recipe.bits, self.recipe.num_classes
        shapes = {"feature": [bits], "code": [bits], "probability": [num_classes], "label": []}
        types = {"feature": "float32", "code": "uint8", "probability": "float32", "label": "int64"}
        outputs = [{"name": name, "dtype": types[name], "shape": ["N", *shapes[name]]} for name in Outputs._fields]
        input_ = {"name": INPUT, "dtype": "uint8", "shape": ["N", *self.size, 3]}
        names = [class_name(self.recipe.dataset, label, self.recipe.class_names) for label in range(num_classes)]
        described = {"input": input_, "outputs": outputs, "class_names": names}
        write_json(folder / MANIFEST, {**dataclasses.asdict(self), **described})


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an exported model; UserError unless it and the files it names are whole."""
    path = folder / MANIFEST
    if not path.is_file():
        raise UserError(f"{folder}: expected a folder written by the verb export, received one without {MANIFEST}")
    values = read_json(path, _MANIFEST)
    fields = {field.name: values[field.name] for field in dataclasses.fields(Manifest)}
    recipe = recipe_from_dict(fields["recipe"], where=f"{path}: recipe")
    files = {Path(name).name: digest for name, digest in fields["files"].items()}
    manifest = Manifest(**{**fields, "recipe": recipe, "size": tuple(fields["size"]), "files": files})
    for name, digest in files.items():
        file = folder / name
        if not file.is_file() or file.stat().st_size > _LARGEST or _digest(file) != digest:
            raise UserError(f"{file}: expected the file that was exported, received another; export again")
    return manifest


def write_model(
    exporter: Exporter, form: str, recipe: Recipe, arrays: weights.Arrays, size: tuple[int, int], folder: Path
) -> Manifest:
    """Export to ``folder``: model files first, then the manifest, without which they do not count.

    Raises UserError when the folder cannot be written, a package is missing, or numbers could grow beyond float32,
    which engines need not report.
    """
    if may_overflow(reaches(arrays)):
        raise UserError("expected weights with which no activation can grow beyond float32, received larger ones")
    with new_folder(folder), scratch_beside(folder / "export") as scratch:
        remove(folder / MANIFEST)
        exporter.write(form, recipe, arrays, size, scratch)
        written = sorted(scratch.iterdir())
        files = {file.name: _digest(file) for file in written}
        for file in written:
            os.replace(file, folder / file.name)
    manifest = Manifest(form, recipe, weights.digest(arrays), size, files, _versions(FORMATS[form].packages))
    manifest.save(folder)
    return manifest


def open_onnx(folder: Path) -> Model:
    """The model in ``folder`` in ONNX Runtime, on the CPU; UserError without that package."""
    needs("onnxruntime")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads()
    session = onnxruntime.InferenceSession(folder / ONNX_FILE, options, providers=["CPUExecutionProvider"])
    return lambda images: Outputs(*session.run(Outputs._fields, {INPUT: images}))


def run_in_batches(model: Model, images: np.ndarray) -> Outputs:
    """The model's outputs for uint8 (N, height, width, 3), N > 0."""
    parts = [model(images[start : start + BATCH_SIZE]) for start in range(0, len(images), BATCH_SIZE)]
    return Outputs(*map(np.concatenate, zip(*parts, strict=True)))


def run_folder(folder: Path, manifest: Manifest, opener: Callable[[Path], Model], images: np.ndarray) -> Outputs:
    """The outputs of the model in ``folder`` for images (N, *manifest.size, 3), N > 0.

    Raises UserError where it does not load or run, or has other outputs than its manifest says.
    """
    expected = f"{folder}: expected a model as the verb export writes it"
    try:
        outputs = run_in_batches(opener(folder), images)
    except (UserError, MemoryError):
        raise
    except Exception as error:  # an engine can fail in any way at a file from elsewhere
        raise UserError(f"{expected}, received one that fails: {printable(error, 300)}") from error
    bits, num_classes, count = manifest.recipe.bits, manifest.recipe.num_classes, len(images)
    shapes = Outputs((count, bits), (count, bits), (count, num_classes), (count,))
    for name, output, shape, kinds in zip(Outputs._fields, outputs, shapes, ("f", "u", "f", "i"), strict=True):
        if output.shape != shape or output.dtype.kind not in kinds:
            raise UserError(f"{expected}, received one with the output {name} {output.dtype} {output.shape}")
    if not (outputs.label >= 0).all() or not (outputs.label < num_classes).all() or outputs.code.max() > 1:
        raise UserError(f"{expected}, received one whose codes or classes are out of range")
    return outputs


def run_exported(exporter: Exporter, worker: str, recipe: Recipe, arrays: weights.Arrays, images: np.ndarray) -> dict:
    """For the alignment ladder: the outputs of each format of a ``worker``, under ``FORMAT.OUTPUT``.

    A format whose packages are missing is left out: ``LEFT_OUT + FORMAT`` then holds the reason.
    """
    answers = {}
    for form in (name for name, entry in FORMATS.items() if entry.worker == worker):
        with TemporaryDirectory() as scratch:
            try:
                exporter.write(form, recipe, arrays, images.shape[1:3], Path(scratch))
                outputs = (open_onnx if form == ONNX else exporter.open_model)(Path(scratch))(images)
            except MissingPackage as error:
                answers[LEFT_OUT + form] = np.array(str(error))
            else:
                answers |= {f"{form}.{name}": array for name, array in outputs._asdict().items()}
    return answers


def needs(*modules: str, extra: str = "export") -> None:
    """Raise MissingPackage, naming the ``extra`` that holds them, unless all ``modules`` are installed."""
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise MissingPackage(
            f"expected {' and '.join(missing)} in {sys.executable}, found none; install the extra "
            f"in this project's folder: pip install -e '.[{extra}]'"
        )


def _digest(file: Path) -> str:
    return sha256_of(file.read_bytes())


def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    installed = {}
    for name in packages:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return installed
