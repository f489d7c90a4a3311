"""The queries of a finished run: its own images by their codes, and pictures from anywhere through its network."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from compare.frameworks.records import known_key, reference
from compare.frameworks.worker import Worker
from compare.search.hits import Database, Query, check_numbers
from compare.search.neighbours import index_codes
from compare.suite.run_folders import finished_runs
from shared.codes.codes import Codes
from shared.codes.packing import pack_codes
from shared.codes.predictions import separate_problems
from shared.config.recipe import Recipe
from shared.data.cifar import Dataset, class_name, image_name, image_size
from shared.data.pictures import read_pictures
from shared.system.errors import UserError
from shared.system.schema import checked
from shared.training.open_job import load_data
from shared.training.runs import Run
from shared.worker.line_protocol import write_question


@dataclass(frozen=True)
class FinishedRun:
    """A run that can be searched; ``data`` is where its images are, None if that is unknown."""

    run: Run
    framework: str
    recipe: Recipe
    codes: Codes
    data: str | None

    @cached_property
    def dataset(self) -> Dataset:
        """The images of the run; UserError when they are not where ``data`` says."""
        if not self.data:
            raise UserError(f"{self.run.environment_file} does not say where the images of the run are; pass --data")
        return load_data(self.recipe, self.data)[0]

    def class_of(self, label: np.ndarray | int) -> str:
        """The name of a class."""
        return class_name(self.recipe.dataset, int(label), self.recipe.class_names)

    def database(self) -> Database:
        """The database to search; raises like ``index_codes``."""
        run_index = index_codes(self.codes, self.run.codes_file)
        return Database(run_index.codes, run_index.labels, self.class_of, "index", run_index.index)

    def of_images(self, index: Sequence[int], worker: Worker, device: str) -> list[Query]:
        """Queries for images of the data set; the worker is asked only for those that the run did not encode.

        Raises UserError for an image that does not exist.
        """
        place = {number: at for at, number in enumerate(self.codes.index.tolist())}
        not_encoded = [number for number in index if number not in place]
        encoded = {number: self._encoded(number, place[number]) for number in index if number in place}
        predicted = self._predicted(not_encoded, worker, device) if not_encoded else {}
        return [encoded.get(number) or predicted[number] for number in index]

    def of_pictures(self, names: Sequence[str], pixels: np.ndarray, worker: Worker, device: str) -> list[Query]:
        """Queries for N > 0 pictures, uint8 (N, height, width, 3) of the data set's size, as the worker encodes them.

        Raises UserError and WorkerDied.
        """
        command = ["answer", "--checkpoint", str(self.run.checkpoint_file), "--device", device]
        with closing(worker.dialogue(command + (["--data", self.data] if self.data else []))) as dialogue:
            records, problems = separate_problems(dialogue.ask(write_question(names, pixels))["records"])
        if problems:
            raise UserError(*problems)
        codes = pack_codes(np.array([list(record["bits"]) for record in records]) == "1")
        return [Query(name, code, predicted=r["class"]) for name, code, r in zip(names, codes, records, strict=True)]

    def read_pictures(self, files: list[Path]) -> tuple[np.ndarray, list[str], list[str]]:
        """As ``shared.data.pictures.read_pictures``, in the size of the run's images."""
        return read_pictures(files, image_size(self.recipe.dataset) or self.dataset.pixels.shape[1:3])

    def _name(self, number: int) -> str:
        return image_name(self.recipe.dataset, number)

    def _encoded(self, number: int, at: int) -> Query:
        codes, own_position = self.codes, max(at - self.codes.num_queries, -1)
        predicted = self.class_of(codes.predicted[at])
        return Query(self._name(number), codes.codes[at], codes.labels[at], predicted, own_position)

    def _predicted(self, index: Sequence[int], worker: Worker, device: str) -> dict[int, Query]:
        dataset = self.dataset
        check_numbers(index, len(dataset.labels))
        queries = self.of_pictures(list(map(self._name, index)), dataset.pixels[index], worker, device)
        return {i: query._replace(label=dataset.labels[i]) for i, query in zip(index, queries, strict=True)}


def open_run(folder: Path, data: str | None) -> FinishedRun:
    """The finished run in ``folder``; UserError when there is none, or its files are damaged.

    ``data`` stands for where the run found its images, if they are elsewhere now.
    """
    run = Run(folder)
    if not run.is_finished():
        below = [str(other.folder) for other in finished_runs(folder)]
        named = f"; name one of {', '.join(below)}" if below else f", such as OUT/{reference().key}/bits48-seed2000"
        raise UserError(f"--run: expected the folder of a finished run{named}; received {folder}")
    framework = checked(run.framework, known_key(), f"{run.result_file}: framework")
    data = data or run.environment()["data"]
    recipe = run.recipe()
    return FinishedRun(run, framework, recipe, Codes.load(run.codes_file, recipe.num_classes), data)
