"""The workers' verbs for using a trained checkpoint: predict, answer, export and infer."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from shared.checkpoint.checkpoint import open_checkpoint, with_classifier
from shared.checkpoint.names import CLASSIFIER
from shared.checkpoint.weights import Arrays
from shared.codes.predictions import Outputs, line, records, separate_problems
from shared.config.arithmetic import Arithmetic
from shared.config.recipe import Recipe
from shared.data import cifar
from shared.data.cifar import Dataset, image_name, image_size
from shared.data.pictures import read_pictures
from shared.system.errors import UserError, printable
from shared.system.files import check_writable
from shared.system.options import add_device
from shared.system.progress import Progress
from shared.training.open_job import load_data
from shared.worker.contract import Implementation
from shared.worker.exported import FORMATS, ONNX, open_onnx, read_manifest, run_folder, write_model
from shared.worker.line_protocol import read_question

# (arithmetic, device) -> the framework's implementation and the device it found
Load = Callable[[Arithmetic, str], tuple[Implementation, str]]

CHECKPOINT = "a finished run's folder, or a checkpoint with its recipe in any form that convert.py reads"


def add_verbs(verbs: argparse._SubParsersAction, worker: str) -> None:
    """Give the parser of ``python -m WORKER`` the four verbs."""
    predict = verbs.add_parser("predict", help="class, probability and code of images")
    _add_checkpoint(predict)
    images = predict.add_mutually_exclusive_group(required=True)
    several = {"nargs": "+", "action": "extend"}
    images.add_argument("--image", type=Path, **several, metavar="FILE", help="image files of any size and mode")
    images.add_argument("--index", type=int, **several, metavar="N", help="images of the data set, counted from 0")
    predict.set_defaults(use=_predict)
    answer = verbs.add_parser("answer", help="what predict prints, of the images sent on stdin, for compare/serve.py")
    _add_checkpoint(answer)
    answer.set_defaults(use=_answer)
    for verb in (predict, answer):
        add_device(verb)
    export = verbs.add_parser("export", help="a checkpoint as a model that needs nothing of this project")
    _add_checkpoint(export)
    export.add_argument("--format", choices=FORMATS, required=True)
    export.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")
    export.set_defaults(use=_export, worker=worker)
    infer = verbs.add_parser("infer", help="what predict prints, by an exported model, on the CPU")
    infer.add_argument("--model", type=Path, required=True, metavar="DIR", help="folder that export wrote")
    infer.add_argument("--image", type=Path, **several, required=True, metavar="FILE", help="image files")
    infer.add_argument("--trust", action="store_true", help="run a model that can do what its author likes")
    infer.set_defaults(use=_infer, worker=worker)
    for verb in (predict, infer):
        verb.add_argument("--json", action="store_true", help="one JSON object a line")


def _add_checkpoint(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--checkpoint", type=Path, required=True, metavar="FILE", help=CHECKPOINT)
    text = "what the checkpoint was trained on; needed for --index, and for data that is not CIFAR-10 or the digits"
    verb.add_argument("--data", help=text)


class _Trained:
    """A checkpoint's network on its device."""

    def __init__(self, recipe: Recipe, arrays: Arrays, load: Load, device: str) -> None:
        self._recipe, self._classifier = recipe, arrays.get(CLASSIFIER)
        self._implementation, self.device = load(Arithmetic(recipe.precision), device)
        network = self._implementation.convert.from_neutral(recipe, with_classifier(recipe, arrays), self.device)
        network.eval()
        self._encoder = self._implementation.encode.make_encoder(network)

    def records(self, images: Dataset, index: np.ndarray, names: list[str]) -> list[dict]:
        """The records of the images at ``index`` int64 (N,), N > 0."""
        on_device = self._implementation.device_images(images, self._recipe.input_px, self.device)
        encoded = self._implementation.encode.encode_with(self._encoder, on_device, index, Progress())
        return records(Outputs.from_hash_logits(*encoded, self._classifier), names, images.class_of)


def _predict(arguments: argparse.Namespace, load: Load) -> None:
    recipe, arrays, _ = open_checkpoint(arguments.checkpoint)
    failures = []
    if arguments.image:
        pixels, names, failures = read_pictures(arguments.image, _size(recipe, arguments.data))
        images, index = _unlabelled(recipe, pixels), np.arange(len(pixels))
    else:
        images, index = _indexed(recipe, arguments)
        names = [image_name(recipe.dataset, i) for i in index]
    if len(index):
        entries = _Trained(recipe, arrays, load, arguments.device).records(images, index, names)
        if arguments.index:
            entries = [r | {"true": images.class_of(y)} for r, y in zip(entries, images.labels[index], strict=True)]
        failures += _show(entries, arguments.json)
    _complain(failures)


def _answer(arguments: argparse.Namespace, load: Load) -> None:
    """One line once the network is ready, then one for each line of stdin, to its end."""
    recipe, arrays, _ = open_checkpoint(arguments.checkpoint)
    size = _size(recipe, arguments.data)
    trained = _Trained(recipe, arrays, load, arguments.device)
    # the first images take longest, and whatever fails should fail now
    trained.records(_unlabelled(recipe, np.zeros((1, *size, 3), np.uint8)), np.arange(1), ["none"])
    print(json.dumps({"device": trained.device, "size": size}), flush=True)
    for text in sys.stdin:
        names, pixels = read_question(text, size)
        entries = trained.records(_unlabelled(recipe, pixels), np.arange(len(names)), names)
        print(json.dumps({"records": entries}, allow_nan=False), flush=True)


def _export(arguments: argparse.Namespace, load: Load) -> None:
    check_writable(arguments.out)
    recipe, arrays, _ = open_checkpoint(arguments.checkpoint)
    _check_worker(arguments.format, arguments.worker, f"--format {arguments.format}", "exports")
    if CLASSIFIER not in arrays:
        raise UserError(
            f"{arguments.checkpoint}: expected a classifier, which an exported model computes label and probability "
            "with, received a model without; predict and encode do without it"
        )
    size = _size(recipe, arguments.data)
    implementation, _ = load(Arithmetic(), "cpu")
    manifest = write_model(implementation.export, arguments.format, recipe, arrays, size, arguments.out)
    files = ", ".join(manifest.files)
    print(printable(f"{arguments.out}: {manifest.format}, uint8 images (N, {size[0]}, {size[1]}, 3), {files}"))


def _infer(arguments: argparse.Namespace, load: Load) -> None:
    manifest = read_manifest(arguments.model)
    if manifest.format != ONNX:
        _check_worker(manifest.format, arguments.worker, f"{arguments.model} ({manifest.format})", "runs")
    if FORMATS[manifest.format].is_program and not arguments.trust:
        raise UserError(
            f"{arguments.model}: a {manifest.format} model is a program, which can do anything once it is loaded; add "
            "--trust if you know who made it, or export the checkpoint as onnx"
        )
    pixels, names, failures = read_pictures(arguments.image, manifest.size)
    if names:
        opener = open_onnx if manifest.format == ONNX else load(Arithmetic(), "cpu")[0].export.open_model
        outputs = run_folder(arguments.model, manifest, opener, pixels)
        entries = records(outputs, names, _unlabelled(manifest.recipe, pixels).class_of)
        failures += _show(entries, arguments.json)
    _complain(failures)


def _check_worker(form: str, worker: str, subject: str, action: str) -> None:
    if FORMATS[form].worker != worker:
        raise UserError(f"{subject}: expected another worker: python -m {FORMATS[form].worker} {action} it")


def _size(recipe: Recipe, data: str | None) -> tuple[int, int]:
    """Height and width of the images the checkpoint was trained on, to which every other is brought first."""
    size = image_size(recipe.dataset)
    if size:
        return size
    if not data:
        raise UserError(f"expected --data, since a checkpoint of {recipe.dataset} data does not say their size")
    return load_data(recipe, data)[0].pixels.shape[1:3]


def _data(recipe: Recipe, data: str | None) -> str:
    if data or recipe.dataset == cifar.DIGITS:
        return data or cifar.DIGITS
    raise UserError("--index: expected --data with the images it counts, received none")


def _indexed(recipe: Recipe, arguments: argparse.Namespace) -> tuple[Dataset, np.ndarray]:
    dataset, _ = load_data(recipe, _data(recipe, arguments.data))
    last = len(dataset.labels) - 1
    if wrong := [number for number in arguments.index if not 0 <= number <= last]:
        raise UserError(f"--index: expected 0 to {last}, received {', '.join(map(printable, wrong))}")
    return dataset, np.array(arguments.index, np.int64)


def _unlabelled(recipe: Recipe, pixels: np.ndarray) -> Dataset:
    return Dataset(recipe.dataset, pixels, np.zeros(len(pixels), np.int64), recipe.class_names)


def _show(entries: list[dict], as_json: bool) -> list[str]:
    """Print the complete records; return a line for each other image."""
    complete, problems = separate_problems(entries)
    for record in complete:
        print(line(record, as_json))
    return problems


def _complain(failures: list[str]) -> None:
    if failures:
        raise UserError(*failures)
