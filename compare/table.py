"""Print the comparison table of one suite or of several together, and write it as table.md, table.csv and table.json.

python compare/table.py OUT                       what benchmark.py wrote, anew: a pure function of the run folders
python compare/table.py A B C --into MERGED       suites of one recipe from several machines, each with its own seeds
"""

import runpy
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).parents[1] / "shared" / "system" / "entry.py"))

import json
import sys

import pandas as pd

from compare.evidence.gather import Gathered, gather
from compare.evidence.pairs import paired_differences
from compare.reporting.studies_text import NOISE_TITLE, noise_rows, query_notes, variance_tables
from compare.reporting.table_text import (
    PUBLISHED_TITLE,
    alignment_note,
    collapse_notes,
    environment_notes,
    markdown,
    number_notes,
    published_cells,
    recipe_notes,
    table_cells,
    verdicts,
)
from shared.system.errors import exit_status
from shared.system.files import check_links, make_folder, write_json, write_text
from shared.system.options import Parser
from shared.training.runs import Run

_EMPTY = {"table": [], "published": [], "notes": {}, "noise": [], "variance": []}
_RESULT_COLUMNS = ("accuracy", "best_epoch", "train_seconds", "encode_seconds", "images_per_second", "device")


def main() -> None:
    """Write the table of the suites that the command line names."""
    parser = Parser(description=__doc__)
    parser.add_argument("outs", type=Path, nargs="+", metavar="OUT", help="folders of suites, finished or not")
    parser.add_argument("--into", type=Path, metavar="DIR", help="where to write it; default: the first OUT")
    arguments = parser.parse_args()
    print(write_table(*arguments.outs, into=arguments.into))


def write_table(*outs: Path, into: Path | None = None) -> str:
    """Write ``table.md``, ``table.csv`` and ``table.json`` and return the text of the first.

    ``into``: the folder to write to, by default the first of ``outs``. Raises like ``gather``.
    """
    gathered, folder = gather(outs), make_folder(into or outs[0])
    check_links(folder)
    rows = pd.DataFrame([_row(run) for run in gathered.runs])
    write_text(folder / "table.csv", rows.to_csv(index=False))
    content = _content(gathered, rows) if gathered.runs else _EMPTY
    write_json(folder / "table.json", content | {"runs": json.loads(rows.to_json(orient="records"))})
    text = _text(content) if gathered.runs else "No run is finished yet."
    write_text(folder / "table.md", text + "\n")
    return text


def _content(gathered: Gathered, rows: pd.DataFrame) -> dict:
    """The cells and the sentences: ``notes`` by group, ``variance`` with title, rows and a sentence for each length."""
    recipe, grid = gathered.runs[0].recipe(), gathered.grid
    differences = paired_differences(run.result() for run in gathered.runs)
    published = published_cells(rows, recipe, grid.bits)
    several = any(len(seeds) > 1 for seeds in grid.seeds.values())
    alignment = alignment_note(gathered.alignments)
    return {
        "table": table_cells(rows, recipe, grid.bits, differences),
        "published": published,
        "notes": {
            "Numbers": [*number_notes(recipe, several, bool(published)), *collapse_notes(gathered.runs)],
            "Data and recipe": recipe_notes(grid, recipe),
            "Verdict": [*verdicts(differences, recipe.margin, grid), *query_notes(gathered), alignment],
            "Environment": environment_notes(grid, gathered.runs),
        },
        "noise": noise_rows(gathered, differences),
        "variance": variance_tables(gathered, differences),
    }


def _text(content: dict) -> str:
    parts = [markdown(content["table"])]
    if content["published"]:
        parts += [PUBLISHED_TITLE, markdown(content["published"])]
    parts += [f"{group}:\n" + "\n".join(f"- {note}" for note in notes) for group, notes in content["notes"].items()]
    if content["noise"]:
        parts += [NOISE_TITLE, markdown(content["noise"])]
    for study in content["variance"]:
        parts += [study["title"], markdown(study["rows"]), study["sentence"]]
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


if __name__ == "__main__":
    sys.exit(exit_status(main))
