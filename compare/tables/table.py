"""The comparison table of one suite or of several together: a pure function of the run folders."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from compare.stats.code_bits import Measured, measure_bits, write_bits
from compare.stats.gather import Gathered, gather
from compare.stats.pairs import differences_by_pair
from compare.stats.rounding_study import rounding_studies
from compare.stats.twins import Twins, twins_of
from compare.tables.agreement_text import agreement_table, device_notes
from compare.tables.data_text import split_notes
from compare.tables.published_text import PUBLISHED_TITLE, other_settings, published_cells, published_notes
from compare.tables.rounding_text import rounding_notes, rounding_tables
from compare.tables.same_bits_text import same_bits_notes
from compare.tables.studies_text import noise_rows, noise_title, query_notes, variance_tables
from compare.tables.table_text import (
    alignment_note,
    collapse_notes,
    environment_notes,
    markdown,
    number_notes,
    recipe_notes,
    table_cells,
)
from compare.tables.verdict_text import verdict_tables, verdicts
from shared.system.files import check_links, make_folder, write_json, write_text
from shared.training.runs import Run

_EMPTY = {"table": [], "published": [], "other_settings": {}, "notes": {}, "noise": [], "variance": []}
_RESULT_COLUMNS = ("accuracy", "best_epoch", "train_seconds", "encode_seconds", "images_per_second", "device")


class ComparisonTable(NamedTuple):
    """``rows``: a row per run. ``content``: the table's own rows and its notes. ``text``: the same as Markdown.

    ``bits``: the code bits that differ between runs.
    """

    rows: pd.DataFrame
    content: dict
    text: str
    bits: Measured = Measured({}, [])

    def write(self, folder: Path) -> None:
        """Write ``table.csv``, ``table.json`` and ``table.md``, and first of what is known of code bits a file."""
        check_links(make_folder(folder))
        write_bits(self.bits.shares, folder)
        write_text(folder / "table.csv", self.rows.to_csv(index=False))
        write_json(folder / "table.json", self.content | {"runs": json.loads(self.rows.to_json(orient="records"))})
        write_text(folder / "table.md", self.text + "\n")


def make_table(*outs: Path) -> ComparisonTable:
    """The table of the suites in ``outs`` together, from their run folders alone. Raises like ``gather``."""
    gathered = gather(outs)
    rows = pd.DataFrame([_row(run) for run in gathered.runs])
    if not gathered.runs:
        return ComparisonTable(rows, _EMPTY, "No run is finished yet.")
    twins = twins_of(gathered)
    bits = measure_bits(twins, outs)
    content = _content(gathered, rows, twins, bits)
    return ComparisonTable(rows, content, _text(content), bits)


def write_table(*outs: Path, into: Path | None = None) -> str:
    """Write the table of ``outs`` into a folder, by default the first of them, and return its text.

    Raises like ``gather``.
    """
    table = make_table(*outs)
    table.write(into or outs[0])
    return table.text


def _content(gathered: Gathered, rows: pd.DataFrame, twins: Sequence[Twins], bits: Measured) -> dict:
    """The cells and the sentences: ``notes`` by group, ``variance`` with title, rows and a sentence for each length.

    ``other_settings`` has the title and the rows of what was published of other settings, or nothing.
    """
    recipe, grid = gathered.runs[0].recipe(), gathered.grid
    differences = differences_by_pair(run.result() for run in gathered.runs)
    several = any(len(seeds) > 1 for seeds in grid.seeds.values())
    alignment, studies = alignment_note(gathered.alignments), rounding_studies(gathered)
    # what older tables do not have stands in a table only where there is something of it
    later = {
        "rounding": rounding_tables(studies),
        "verdicts": verdict_tables(differences, recipe.margin, grid),
        "agreement": agreement_table(gathered, twins, bits.shares),
    }
    judged = [note for pair, by_bits in differences.items() for note in verdicts(pair, by_bits, recipe.margin, grid)]
    return {
        "table": table_cells(rows, recipe, grid.bits, differences),
        "published": published_cells(rows, recipe, grid.bits),
        "other_settings": other_settings(rows, recipe, grid.bits),
        "notes": {
            "Numbers": [
                *number_notes(recipe, several),
                *published_notes(recipe),
                *split_notes(gathered.runs),
                *collapse_notes(gathered.runs),
            ],
            "Data and recipe": recipe_notes(grid, recipe),
            "Verdict": [
                *same_bits_notes(gathered.runs),
                *judged,
                *rounding_notes(studies),
                *query_notes(gathered),
                alignment,
            ],
            "Environment": [*environment_notes(grid, gathered.runs), *device_notes(gathered, twins)],
        },
        "noise": noise_rows(gathered, differences),
        "variance": variance_tables(gathered, differences),
        **{name: value for name, value in later.items() if value},
    }


def _text(content: dict) -> str:
    parts = [markdown(content["table"])]
    for judged in content.get("verdicts", []):
        parts += [judged["title"], markdown(judged["rows"])]
    if content["published"]:
        parts += [PUBLISHED_TITLE, markdown(content["published"])]
    if content["other_settings"]:
        parts += [content["other_settings"]["title"], markdown(content["other_settings"]["rows"])]
    parts += [f"{group}:\n" + "\n".join(f"- {note}" for note in notes) for group, notes in content["notes"].items()]
    if content["noise"]:
        parts += [noise_title(), markdown(content["noise"])]
    for study in content["variance"]:
        parts += [study["title"], markdown(study["rows"]), study["sentence"]]
    for study in content.get("rounding", []):
        parts += [study["title"], markdown(study["rows"]), *study["sentences"]]
    if agreement := content.get("agreement"):
        parts += [agreement["title"], markdown(agreement["rows"]), agreement["sentence"]]
    return "\n\n".join(parts)


def _row(run: Run) -> dict:
    result = run.result()
    row = {name: result[name] for name in ("preset", "dataset", "framework", "bits", "seed", "epochs")}
    for name in ("map_last", "map_best"):
        row[name] = result[name]["expected"]
        row[f"{name}_ties_worst"] = result[name]["worst"]
        row[f"{name}_ties_best"] = result[name]["best"]
        row[f"{name}_stable"] = result[name]["stable"]
    row["map_argsort_last"], row["map_argsort_best"] = result["map_last"]["argsort"], result["map_argsort_best"]
    return row | {name: result[name] for name in _RESULT_COLUMNS}
