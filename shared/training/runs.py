"""The run folder, which this module alone reads and writes: its files, their checks, and when it is finished."""

import csv
import dataclasses
import io
import json
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from shared.config.recipe import Recipe, differing_settings, read_recipe
from shared.scoring.code_scores import AP
from shared.system.errors import UserError, printable
from shared.system.files import append_to, make_folder, read_bytes, read_json, remove, write_json, write_text
from shared.system.schema import SHARE, checked, parse_json
from shared.training.run_schema import ENVIRONMENT, EPOCH, RESULT, SCORED_EPOCH, check_result

# the loggers of other programs, which are their packages' names -> the worker that writes it, if it is asked to
LOGGERS = {"tensorboard": "torch_impl", "visualdl": "paddle_impl"}
_FOLDER = re.compile(r"bits(?P<bits>\d{1,4})-seed(?P<seed>\d{1,10})", re.ASCII)


@dataclasses.dataclass(frozen=True)
class Run:
    """One run folder: a framework, a bit length and a seed."""

    folder: Path

    @property
    def recipe_file(self) -> Path:
        return self.folder / "recipe.json"

    @property
    def environment_file(self) -> Path:
        return self.folder / "environment.json"

    @property
    def log_file(self) -> Path:
        return self.folder / "log.jsonl"

    @property
    def codes_file(self) -> Path:
        return self.folder / "codes.npz"

    @property
    def queries_file(self) -> Path:
        """Image, label, predicted class and average precision of every query, from the last epoch's codes."""
        return self.folder / "queries.csv"

    @property
    def index_file(self) -> Path:
        """The search index of the codes, stored by whatever searches them first."""
        return self.folder / "codes.faiss"

    @property
    def checkpoint_file(self) -> Path:
        return self.folder / "checkpoint.safetensors"

    @property
    def best_file(self) -> Path:
        """The state after the best-scoring epoch, where it was asked for."""
        return self.folder / "best.safetensors"

    @property
    def result_file(self) -> Path:
        return self.folder / "result.json"

    @property
    def worker_log_file(self) -> Path:
        """What the worker process printed."""
        return self.folder / "worker.log"

    @property
    def resume_folder(self) -> Path:
        """The state to go on from, in the framework's own form; removed when the run is finished."""
        return self.folder / "resume"

    @property
    def lightning_folder(self) -> Path:
        """Metrics as Lightning's own CSV logger writes them (torch only)."""
        return self.folder / "lightning"

    def logs_of(self, logger: str) -> Path:
        """Where the logger of this name writes."""
        return self.folder / logger

    def prepare(self, recipe: Recipe, force: bool = False) -> None:
        """Make the folder ready for ``recipe``: new, half-finished with the same recipe, or emptied by ``force``.

        Raises UserError when it holds another recipe, or one that cannot be read.
        """
        if self.recipe_file.exists() and (problem := self.clash(recipe)):
            if not force:
                raise UserError(
                    f"{self.folder} holds a run of another recipe ({problem}); "
                    "choose another --out, or --force to replace it"
                )
            self._empty()
        make_folder(self.folder)
        if not self.recipe_file.exists():
            write_json(self.recipe_file, dataclasses.asdict(recipe))

    def clash(self, recipe: Recipe, free: Collection[str] = ()) -> str:
        """What its own recipe has in place of ``recipe``'s settings, but for ``free`` ones; "" where they agree."""
        try:
            return differing_settings(self.recipe(), recipe, free)
        except UserError as error:  # of another version, or cut off
            return str(error)

    def recipe(self) -> Recipe:
        """The run's settings; UserError if the file is missing or damaged."""
        return read_recipe(self.recipe_file)

    def log(self) -> list[dict]:
        """One record per finished epoch, in order; a line cut off by a kill is left out.

        UserError for any other line that is no such record.
        """
        if not self.log_file.exists():
            return []
        lines = read_bytes(self.log_file, "a record of every epoch").split(b"\n")[:-1]
        return [self._epoch(line, f"{self.log_file}, line {number}") for number, line in enumerate(lines, 1)]

    def _epoch(self, line: bytes, where: str) -> dict:
        record = parse_json(line, where)
        return checked(record, SCORED_EPOCH if isinstance(record, dict) and "map" in record else EPOCH, where)

    def environment(self) -> dict:
        """What the worker recorded of its process, and ``data``, where its images were (None if not recorded).

        UserError if the file is missing or damaged.
        """
        environment = read_json(self.environment_file, ENVIRONMENT)
        if environment["data"] is None:
            environment["data"] = _data_of_command(environment["command"])
        return environment

    def append_log(self, record: Mapping[str, object]) -> None:
        """Add one epoch's record."""
        with append_to(self.log_file) as file:
            file.write(json.dumps(record, allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())  # the state saved after the epoch counts on it

    def rewind_log(self, epoch: int) -> None:
        """Drop the records after ``epoch``, which will be trained again."""
        remaining = [record for record in self.log() if record["epoch"] <= epoch] if epoch else []
        write_text(self.log_file, "".join(json.dumps(record, allow_nan=False) + "\n" for record in remaining))

    def write_queries(self, columns: Mapping[str, Sequence]) -> None:
        """Write a column each, among them ``AP``, all of one length."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
        write_text(self.queries_file, text.getvalue())

    def average_precisions(self) -> list[float]:
        """Of every query, expected over the order within ties; UserError if the file is missing or damaged."""
        expected = f"a column {AP} of numbers"
        text = io.TextIOWrapper(io.BytesIO(read_bytes(self.queries_file, expected)), encoding="utf-8", newline="")
        try:
            rows = [float(row[AP]) for row in csv.DictReader(text)]
        except (KeyError, TypeError, ValueError, csv.Error) as error:
            raise UserError(f"{self.queries_file}: expected {expected}, received: {printable(error, 200)}") from error
        if not rows:
            raise UserError(f"{self.queries_file}: expected {expected}, received none")
        return checked(rows, [SHARE], f"{self.queries_file}: {AP}")

    def write_result(self, result: Mapping[str, object]) -> None:
        """Finish the run: check the result against the schema and write it."""
        where = str(self.result_file)
        check_result(checked(result, RESULT, where), where)
        write_json(self.result_file, result)

    def result(self) -> dict:
        """The finished run's result; UserError if missing, damaged or not matching the recipe beside it."""
        where = str(self.result_file)
        result, recipe = read_json(self.result_file, RESULT), self.recipe()
        check_result(result, where)
        if result["recipe_digest"] != recipe.digest():
            raise UserError(f"{self.folder}: result.json belongs to another recipe; remove the folder and run again")
        for name in ("preset", "dataset", "bits", "seed", "epochs"):
            if result[name] != getattr(recipe, name):
                raise UserError(
                    f"{where}: {name}: expected {getattr(recipe, name)} as in {self.recipe_file.name}, received "
                    f"{result[name]}; remove the folder and run again"
                )
        return result

    @property
    def framework(self) -> str:
        """Which framework trained the finished run; raises like ``result``."""
        return self.result()["framework"]

    def is_finished(self) -> bool:
        """Whether ``result.json``, which is written last, is there."""
        return self.result_file.exists()

    def _empty(self) -> None:
        # the result goes first, so a kill in between never leaves a folder that looks finished
        files = (self.result_file, self.log_file, self.codes_file, self.checkpoint_file, self.worker_log_file)
        files += (self.index_file, self.queries_file, self.best_file)
        folders = (self.resume_folder, self.lightning_folder, *map(self.logs_of, LOGGERS))
        for path in (*files, *folders, self.recipe_file):
            remove(path)


def run_of(out: Path, framework: str, bits: int, seed: int) -> Run:
    """The folder of one cell of the suite in ``out``."""
    return Run(out / framework / f"bits{bits}-seed{seed}")


def begun_cells(out: Path, frameworks: Iterable[str]) -> list[tuple[str, int, int]]:
    """Framework, bit length and seed of the runs of ``frameworks`` in the suite ``out`` that have a recipe, in order.

    They are read from the names that ``run_of`` gives to folders, so that a damaged file hides no run.
    """
    recipes = [(name, file) for name in frameworks for file in (out / name).glob("*/recipe.json")]
    named = [(name, _FOLDER.fullmatch(file.parent.name)) for name, file in recipes]
    return sorted((name, int(folder["bits"]), int(folder["seed"])) for name, folder in named if folder)


def threads_of(runs: Iterable[Run]) -> list[int]:
    """The different numbers of threads that the runs record, smallest first."""
    counts = (run.environment()["framework_threads"] for run in runs if run.environment_file.exists())
    return sorted({threads for threads in counts if threads is not None})


def _data_of_command(command: list[str]) -> str | None:
    """The path after ``--data`` in the worker's command line, where older versions store it; None if there is none."""
    return command[command.index("--data") + 1] if "--data" in command[:-1] else None
