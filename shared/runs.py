"""The run folder, known to this module only: its files, their checks, and when it counts as finished."""

import csv
import dataclasses
import io
import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from shared.errors import UserError
from shared.files import make_folder, read_json, write_json, write_text
from shared.recipe import Recipe, differing_settings, read_recipe

FRAMEWORKS = ("paddle", "torch")
# a column of queries.csv
AP = "average_precision"
# the mAP by the order within ties
_SCORE = {"expected": float, "best": float, "worst": float, "stable": float, "argsort": float}
# None where no published numbers stand beside the run; older versions always wrote a number
_MAY_BE_NONE = {"argsort", "map_argsort_best"}
_RESULT = {
    "framework": str,
    "preset": str,
    "dataset": str,
    "bits": int,
    "seed": int,
    "epochs": int,
    "map_last": dict,
    "map_best": dict,
    "map_argsort_best": float,
    "best_epoch": int,
    "accuracy": float,
    "retrieval": dict,
    "zeros": int,
    "weights_moved": float,
    "train_seconds": float,
    "encode_seconds": float,
    "images_per_second": float,
    "device": str,
    "versions": dict,
    "recipe_digest": str,
    "data_sha256": str,
    "split_sha256": str,
    "initial_weights_sha256": str,
    "checkpoint_sha256": str,
}


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
        """One record per finished epoch, in order; a line cut off by a kill is left out."""
        if not self.log_file.exists():
            return []
        lines = self.log_file.read_text(encoding="utf-8").split("\n")
        return [json.loads(line) for line in lines[:-1]]

    def append_log(self, record: Mapping[str, object]) -> None:
        """Add one epoch's record."""
        with self.log_file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, allow_nan=False) + "\n")

    def rewind_log(self, epoch: int) -> None:
        """Drop the records after ``epoch``, which will be trained again."""
        kept = [record for record in self.log() if record["epoch"] <= epoch]
        write_text(self.log_file, "".join(json.dumps(record) + "\n" for record in kept))

    def write_queries(self, columns: Mapping[str, Sequence]) -> None:
        """Write a column each, among them ``AP``, all of one length."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
        write_text(self.queries_file, text.getvalue())

    def average_precisions(self) -> list[float]:
        """Of every query, expected over the order within ties; UserError if the file is missing or damaged."""
        try:
            with self.queries_file.open(newline="", encoding="utf-8") as file:
                rows = [float(row[AP]) for row in csv.DictReader(file)]
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise UserError(f"{self.queries_file}: expected a column {AP} of numbers: {error!r}") from error
        if not rows:
            raise UserError(f"{self.queries_file}: expected a column {AP} of numbers, received an empty file")
        return rows

    def write_result(self, result: Mapping[str, object]) -> None:
        """Finish the run: check the result against the schema and write it."""
        _check_result(result, str(self.result_file))
        write_json(self.result_file, result)

    def result(self) -> dict:
        """The finished run's result; UserError if missing, damaged or not matching the recipe beside it."""
        result = read_json(self.result_file)
        _check_result(result, str(self.result_file))
        if result["recipe_digest"] != self.recipe().digest():
            raise UserError(f"{self.folder}: result.json belongs to another recipe; remove the folder and run again")
        return result

    def is_finished(self) -> bool:
        """Whether ``result.json``, which is written last, is there."""
        return self.result_file.exists()

    def _empty(self) -> None:
        # the result goes first, so a kill in between never leaves a folder that looks finished
        files = (self.result_file, self.log_file, self.codes_file, self.checkpoint_file, self.worker_log_file)
        files += (self.index_file, self.queries_file)
        for file in files:
            file.unlink(missing_ok=True)
        for folder in (self.resume_folder, self.lightning_folder):
            shutil.rmtree(folder, ignore_errors=True)
        self.recipe_file.unlink()


def run_of(out: Path, framework: str, bits: int, seed: int) -> Run:
    """The folder of one cell of the suite in ``out``."""
    return Run(out / framework / f"bits{bits}-seed{seed}")


def finished_runs(out: Path) -> list[Run]:
    """All finished runs of the suite in ``out``, by framework, bit length and seed."""
    runs = [Run(file.parent) for name in FRAMEWORKS for file in (out / name).glob("bits*-seed*/result.json")]
    return sorted(runs, key=lambda run: (run.folder.parent.name, run.recipe().bits, run.recipe().seed))


def begun_runs(out: Path) -> list[Run]:
    """All runs of the suite in ``out`` that have a recipe, finished or not."""
    return [Run(file.parent) for name in FRAMEWORKS for file in sorted((out / name).glob("bits*-seed*/recipe.json"))]


def data_of(environment: dict) -> str | None:
    """Where the images were of the run with this environment.json; None if it does not say."""
    words = environment.get("command", [])
    return words[words.index("--data") + 1] if "--data" in words[:-1] else None


def _check_result(result: Mapping[str, object], where: str) -> None:
    _check_fields(result, _RESULT, where)
    for name in ("map_last", "map_best"):
        _check_fields(result[name], _SCORE, f"{where}: {name}")


def _check_fields(values: Mapping[str, object], schema: Mapping[str, type], where: str) -> None:
    if values.keys() != schema.keys():
        raise UserError(
            f"{where}: expected the fields {sorted(schema)}, "
            f"missing {sorted(schema.keys() - values.keys())}, unknown {sorted(values.keys() - schema.keys())}"
        )
    for name, kind in schema.items():
        if values[name] is None and name in _MAY_BE_NONE:
            continue
        if not isinstance(values[name], (int, float) if kind is float else kind) or isinstance(values[name], bool):
            raise UserError(f"{where}: {name}: expected {kind.__name__}, received {values[name]!r}")
