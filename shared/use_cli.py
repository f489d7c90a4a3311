"""The workers' verbs for using a trained checkpoint: predict, export and infer."""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from shared import cifar
from shared.arithmetic import Arithmetic
from shared.checkpoint import open_checkpoint
from shared.cifar import Dataset, class_name, image_size
from shared.errors import UserError
from shared.exported import FORMATS, ONNX, open_onnx, read_manifest, run_in_batches, write_model
from shared.opening import load_data
from shared.pictures import read_pictures
from shared.predictions import Outputs, line, records
from shared.progress import Progress
from shared.recipe import Recipe

# (arithmetic, device) -> the framework's implementation and the device it found
Load = Callable[[Arithmetic, str], tuple]


def add_verbs(verbs: argparse._SubParsersAction, worker: str) -> None:
    """Give the parser of ``python -m WORKER`` the three verbs."""
    predict = verbs.add_parser("predict", help="class, probability and code of images")
    _add_checkpoint(predict)
    wanted = predict.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--image", type=Path, nargs="+", metavar="FILE", help="image files of any size and mode")
    wanted.add_argument("--index", type=int, nargs="+", metavar="N", help="images of the data set, counted from 0")
    predict.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    predict.set_defaults(use=_predict)
    export = verbs.add_parser("export", help="a checkpoint as a model that needs nothing of this project")
    _add_checkpoint(export)
    export.add_argument("--format", choices=FORMATS, required=True)
    export.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")
    export.set_defaults(use=_export, worker=worker)
    infer = verbs.add_parser("infer", help="what predict prints, by an exported model, on the CPU")
    infer.add_argument("--model", type=Path, required=True, metavar="DIR", help="folder that export wrote")
    infer.add_argument("--image", type=Path, nargs="+", required=True, metavar="FILE")
    infer.set_defaults(use=_infer, worker=worker)
    for verb in (predict, infer):
        verb.add_argument("--json", action="store_true", help="one JSON object a line")


def _add_checkpoint(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--checkpoint", type=Path, required=True, help="neutral checkpoint of a finished run")
    text = "what the checkpoint was trained on; needed for --index, and for data that is not CIFAR-10 or the digits"
    verb.add_argument("--data", help=text)


def _predict(arguments: argparse.Namespace, load: Load) -> None:
    recipe, arrays, _ = open_checkpoint(arguments.checkpoint)
    failures = []
    if arguments.image:
        pixels, names, failures = read_pictures(arguments.image, _size(recipe, arguments.data))
        images, index = Dataset("custom", pixels, np.zeros(len(pixels), np.int64)), np.arange(len(pixels))
    else:
        images, index = _indexed(recipe, arguments)
        names = [f"{_data(recipe, arguments.data)}[{i}]" for i in index]
    if len(index):
        implementation, device = load(Arithmetic(recipe.precision), arguments.device)
        network = implementation.from_neutral(recipe, arrays, device)
        on_device = implementation.device_images(images, recipe.input_px, device)
        features, labels = implementation.encode_images(network, on_device, index, Progress())
        found = records(Outputs.from_features(features, labels, arrays["classifier.weight"]), names, recipe.dataset)
        if arguments.index:
            found = [
                r | {"true": class_name(recipe.dataset, y)} for r, y in zip(found, images.labels[index], strict=True)
            ]
        _show(found, arguments.json)
    _complain(failures)


def _export(arguments: argparse.Namespace, load: Load) -> None:
    recipe, arrays, _ = open_checkpoint(arguments.checkpoint)
    _check_worker(arguments.format, arguments.worker, f"--format {arguments.format}", "exports")
    size = _size(recipe, arguments.data)
    implementation, _ = load(Arithmetic(), "cpu")
    manifest = write_model(implementation.export, arguments.format, recipe, arrays, size, arguments.out)
    print(f"{arguments.out}: {manifest.format}, uint8 images (N, {size[0]}, {size[1]}, 3), {', '.join(manifest.files)}")


def _infer(arguments: argparse.Namespace, load: Load) -> None:
    manifest = read_manifest(arguments.model)
    if manifest.format != ONNX:
        _check_worker(manifest.format, arguments.worker, f"{arguments.model} ({manifest.format})", "runs")
    pixels, names, failures = read_pictures(arguments.image, manifest.size)
    if names:
        opener = open_onnx if manifest.format == ONNX else load(Arithmetic(), "cpu")[0].export.open_model
        outputs = run_in_batches(opener(arguments.model), pixels)
        _show(records(outputs, names, manifest.recipe.dataset), arguments.json)
    _complain(failures)


def _check_worker(form: str, worker: str, what: str, does: str) -> None:
    if FORMATS[form].worker != worker:
        raise UserError(f"{what}: expected another worker: python -m {FORMATS[form].worker} {does} it")


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
    index, last = np.array(arguments.index, np.int64), len(dataset.labels) - 1
    if index.min() < 0 or index.max() > last:
        raise UserError(f"--index: expected 0 to {last}, received {index.min()} to {index.max()}")
    return dataset, index


def _show(found: list[dict], as_json: bool) -> None:
    for record in found:
        print(line(record, as_json))


def _complain(failures: list[str]) -> None:
    if failures:
        raise UserError("\nerror: ".join(failures))
