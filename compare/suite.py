"""A suite: one run per framework, bit length and seed, with everything they share prepared beforehand."""

import dataclasses
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from compare.worker import NAMES, Worker
from shared import cifar, weights
from shared.errors import UserError
from shared.files import cache_folder, folder_lock, write_json
from shared.progress import Progress, format_seconds
from shared.recipe import Recipe
from shared.runs import Run, run_of

# digest of the five convolutions of torchvision's IMAGENET1K_V1 AlexNet under our names
IMAGENET_CONVOLUTIONS = "70a964f28cbb22e8395d196d503c30106bbe4d93d5b34e9d72fb7140f0455005"
BACKBONES = ("imagenet", "none")


@dataclass(frozen=True)
class Suite:
    """``recipe`` is complete but for bits, seed and split; ``workers`` are the frameworks that can run."""

    out: Path
    recipe: Recipe
    bits: list[int]
    seeds: list[int]
    workers: list[Worker]
    devices: dict[str, str]
    unavailable: dict[str, str]
    dataset: cifar.Dataset
    data: str
    backbone: weights.Arrays
    force: bool

    def is_finished(self) -> bool:
        """Whether every run of the suite has its result."""
        cells = product(self.workers, self.bits, self.seeds)
        return all(run_of(self.out, worker.framework, bits, seed).is_finished() for worker, bits, seed in cells)

    def run(self, progress: Progress) -> None:
        """Train and score every run that is not finished; what is finished is kept.

        Raises UserError before any training when a run folder holds another recipe.
        """
        with folder_lock(self.out):
            cells = [(worker, bits, seed) for seed in self.seeds for bits in self.bits for worker in self.workers]
            recipes = {seed: self._seeded(seed) for seed in self.seeds}
            for worker, bits, seed in cells:
                recipe = dataclasses.replace(recipes[seed], bits=bits)
                run_of(self.out, worker.framework, bits, seed).prepare(recipe, self.force)
            self._write_plan()
            for number, (worker, bits, seed) in enumerate(cells, 1):
                run = run_of(self.out, worker.framework, bits, seed)
                title = f"[{number}/{len(cells)}] {NAMES[worker.framework]}, {bits} bits, seed {seed}"
                self._run_cell(worker, run, title, progress)

    def _seeded(self, seed: int) -> Recipe:
        split = cifar.split(self.dataset.labels, self.recipe.protocol, seed)
        cifar.validate_split(split, self.dataset.labels, self.recipe.protocol)
        return dataclasses.replace(self.recipe, seed=seed, split_sha256=split.digest())

    def _write_plan(self) -> None:
        frameworks = [worker.framework for worker in self.workers]
        plan = {"bits": self.bits, "seeds": self.seeds, "frameworks": frameworks, "unavailable": self.unavailable}
        write_json(self.out / "suite.json", plan)

    def _run_cell(self, worker: Worker, run: Run, title: str, progress: Progress) -> None:
        if run.is_finished():
            progress.note(f"{title}: kept, {_summary(run.result())}")
            return
        device = self.devices[worker.framework]
        progress.note(f"{title} on {device}")
        started = time.monotonic()
        options = {
            "--run": run.folder,
            "--data": self.data,
            "--initial-weights": self._initial_weights(run.recipe()),
            "--device": device,
        }
        arguments = [str(word) for pair in options.items() for word in pair]
        worker.run(["train", *arguments], run.worker_log_file, progress)
        progress.note(f"  {_summary(run.result())}, {format_seconds(time.monotonic() - started)} in all")

    def _initial_weights(self, recipe: Recipe) -> Path:
        """The file both frameworks start from, made once per bit length and seed."""
        path = self.out / "init" / f"bits{recipe.bits}-seed{recipe.seed}.safetensors"
        names = ("bits", "seed", "width", "backbone_sha256", "backbone_layers")
        origin = {name: getattr(recipe, name) for name in names} | {"backbone_layers": list(recipe.backbone_layers)}
        if not path.exists() or weights.load(path)[1] != origin:
            weights.save(path, weights.initial_weights(recipe, self.backbone), origin)
        return path


def read_backbone(choice: str, recipe: Recipe, torch_worker: Worker) -> tuple[Recipe, weights.Arrays]:
    """The weights named by ``--backbone-weights``, and the recipe that records them.

    Raises UserError for a file that does not hold AlexNet's layers.
    """
    if choice == "none":
        return dataclasses.replace(recipe, backbone="none"), {}
    path = _imagenet(torch_worker) if choice == "imagenet" else Path(choice)
    if not path.exists():
        raise UserError(
            f"--backbone-weights: expected imagenet, none or a file, received {choice}, which does not exist"
        )
    arrays = weights.load_backbone(path, recipe)
    convolutions = {name: array for name, array in arrays.items() if name.startswith("conv")}
    known = weights.digest(convolutions) == IMAGENET_CONVOLUTIONS
    name = "imagenet" if choice == "imagenet" or known else "file"
    layers, sha256 = weights.layers_of(arrays), weights.digest(arrays)
    return dataclasses.replace(recipe, backbone=name, backbone_layers=layers, backbone_sha256=sha256), arrays


def _imagenet(torch_worker: Worker) -> Path:
    path = cache_folder() / "alexnet-imagenet.safetensors"
    if not path.exists():
        torch_worker.output_of("-m", "torch_impl.backbone", str(path))
    return path


def _summary(result: dict) -> str:
    return f"mAP {result['map_last']['expected']:.4f}, accuracy {result['accuracy']:.4f}"
