"""The comparison table: a pure function of a suite's folder."""

import json
from pathlib import Path

import pandas as pd

from compare.evidence.pairs import paired_differences
from compare.evidence.stats import overall
from compare.published import departures, published_columns
from compare.worker import NAMES
from shared.cifar import PROTOCOLS
from shared.errors import UserError
from shared.files import read_json, write_json, write_text
from shared.recipe import RELU_LAYERS, Recipe
from shared.runs import Run, finished_runs

_OURS = {framework: f"this {NAMES[framework]}: last [ties] / best" for framework in ("torch", "paddle")}
_ARGSORT = {framework: f"this {NAMES[framework]}, argsort: last / best" for framework in ("torch", "paddle")}
_DIFFERENCE = "Paddle - PyTorch, last"
_NOTHING = "-"
ALIGN_FILE = "align.json"
_RESULT_COLUMNS = ("accuracy", "best_epoch", "train_seconds", "encode_seconds", "images_per_second", "device")


def write_table(out: Path) -> str:
    """Write ``table.md``, ``table.csv`` and ``table.json`` into ``out`` and return the text of the first.

    Raises UserError when the finished runs do not belong together.
    """
    suite, runs = read_json(out / "suite.json"), finished_runs(out)
    rows = pd.DataFrame([_row(run) for run in runs])
    rows.to_csv(out / "table.csv", index=False)
    if not runs:
        text, cells, notes = "No run is finished yet.", [], []
    else:
        recipe = runs[0].recipe()
        _check_pairs(runs)
        differences = paired_differences(run.result() for run in runs)
        cells = _cells(rows, recipe, suite["bits"], differences)
        notes = [*_notes(suite, runs, recipe), *_verdicts(differences, recipe.margin), _alignment_note(out)]
        text = _markdown(cells) + "\n\n" + "\n".join(f"- {note}" for note in notes)
    write_text(out / "table.md", text + "\n")
    write_json(out / "table.json", {"table": cells, "runs": json.loads(rows.to_json(orient="records")), "notes": notes})
    return text


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


def _check_pairs(runs: list[Run]) -> None:
    """Both frameworks' runs of one cell must have started from the same recipe and weights, and must have moved."""
    origin: dict[tuple[int, int], tuple[str, str]] = {}
    for run in runs:
        result = run.result()
        if not result["weights_moved"] > 0:
            raise UserError(f"{run.folder}: the weights did not move in training; remove the folder and run again")
        pair = (result["recipe_digest"], result["initial_weights_sha256"])
        if origin.setdefault((result["bits"], result["seed"]), pair) != pair:
            raise UserError(f"{run.folder}: recipe or initial weights differ from the other framework's; use --force")


def _cells(
    rows: pd.DataFrame, recipe: Recipe, planned_bits: list[int], differences: dict[int, dict[int, float]]
) -> list[dict[str, str]]:
    published = published_columns(recipe)
    return [
        {"bits": str(bits)}
        | {heading: values.get(bits, _NOTHING) for heading, values in published.items()}
        | (_argsort_cells(rows[rows.bits == bits]) if published else {})
        | _own_cells(rows[rows.bits == bits])
        | {_DIFFERENCE: _mean(pd.Series(differences.get(bits, {}), dtype=float), sign="+")}
        for bits in sorted({*planned_bits, *rows.bits.tolist()})
    ]


def _argsort_cells(rows: pd.DataFrame) -> dict[str, str]:
    """Scores by the rule of the published ports, to stand beside theirs."""
    by_framework = {heading: rows[rows.framework == framework] for framework, heading in _ARGSORT.items()}
    return {
        heading: f"{_mean(own.map_argsort_last)} / {_mean(own.map_argsort_best)}" if len(own) else _NOTHING
        for heading, own in by_framework.items()
    }


def _own_cells(rows: pd.DataFrame) -> dict[str, str]:
    cells = {}
    for framework, heading in _OURS.items():
        own = rows[rows.framework == framework]
        ties = f"[{own.map_last_ties_worst.mean():.4f}, {own.map_last_ties_best.mean():.4f}]"
        cells[heading] = f"{_mean(own.map_last)} {ties} / {_mean(own.map_best)}" if len(own) else _NOTHING
    return cells


def _mean(values: pd.Series, sign: str = "") -> str:
    if values.empty:
        return _NOTHING
    mean = format(values.mean(), f"{sign}.4f")
    return mean if len(values) == 1 else f"{mean} +- {values.std():.4f} (n={len(values)})"


def _notes(suite: dict, runs: list[Run], recipe: Recipe) -> list[str]:
    rule = PROTOCOLS[recipe.protocol]
    return [
        "last: after the last epoch (the headline). best: the best scored epoch, chosen on the queries themselves.",
        "mAP over the whole database ranking by Hamming distance, expected over random order within ties; "
        "[ties]: the last epoch's under the worst and under the best order.",
        _published_note(recipe),
        f"Data: {recipe.dataset} (SHA-256 {recipe.data_sha256[:12]}), protocol {recipe.protocol}: {10 * rule.query} "
        f"queries, {10 * rule.train} training images, database = {rule.database}.",
        f"Recipe: preset {recipe.preset}, {recipe.epochs} epochs, batch {recipe.batch_size}, SGD "
        f"{recipe.learning_rate:g} (x{recipe.lr_drop_factor:g} after epoch {recipe.lr_drop_epoch}), momentum "
        f"{recipe.momentum:g}, weight decay {recipe.weight_decay:g}, penalty {recipe.penalty_weight:g}, "
        f"{recipe.dropout} dropout masks, {recipe.precision}, {recipe.input_px} px, AlexNet width x{recipe.width:g}, "
        f"scored every {recipe.eval_every or recipe.epochs} epochs.",
        f"Start: {_start(recipe)}; the same weights, split and batch order for both frameworks.",
        f"Seeds: {', '.join(map(str, suite['seeds']))}.",
        *(_framework_note(name, suite, runs) for name in _OURS),
    ]


def _verdicts(differences: dict[int, dict[int, float]], margin: float) -> list[str]:
    """Whether the frameworks differ, length by length and together; nothing where only one of them finished."""
    if not differences:
        return []
    if max(map(len, differences.values())) == 1:
        return [f"No verdict: one seed a length does not say how far seeds scatter (--seeds); margin {margin:g}."]
    found = overall(differences, margin)
    verdicts = [f"Paddle - PyTorch, {bits} bits: {one.sentence()}." for bits, one in found.by_bits.items()]
    return [*verdicts, f"Paddle - PyTorch: {found.sentence()}."] if len(verdicts) > 1 else verdicts


def _published_note(recipe: Recipe) -> str:
    differing = departures(recipe)
    if differing:
        return f"No published numbers here: this is not the published protocol ({', '.join(differing)} differ)."
    return (
        "Published: paper = Su et al., NeurIPS 2018; PyTorch and Paddle = tables and logs of paddle_greedyhash, one "
        "run each, ties as the sort routine left them (results/reference/). argsort: ours by that rule (NumPy's "
        "default sort, which differs between processors; best: its own best epoch)."
    )


def _start(recipe: Recipe) -> str:
    if not recipe.backbone_layers:
        return "all layers random"
    random = [layer for layer in RELU_LAYERS if layer not in recipe.backbone_layers]
    source = "ImageNet AlexNet" if recipe.backbone == "imagenet" else "the layers of a weights file"
    return f"{source} ({', '.join(recipe.backbone_layers)}); random: {', '.join([*random, 'hash', 'classifier'])}"


def _alignment_note(out: Path) -> str:
    if not (out / ALIGN_FILE).exists():
        return "Alignment: not checked (compare/align.py)."
    return f"Alignment: {read_json(out / ALIGN_FILE)['verdict']}."


def _framework_note(framework: str, suite: dict, runs: list[Run]) -> str:
    own = [run.result() for run in runs if run.result()["framework"] == framework]
    planned = len(suite["bits"]) * len(suite["seeds"])
    if framework in suite["unavailable"]:
        return f"{NAMES[framework]}: not run; {suite['unavailable'][framework]}"
    if framework not in suite["frameworks"]:
        return f"{NAMES[framework]}: not asked for."
    if not own:
        return f"{NAMES[framework]}: no run finished yet."
    versions = ", ".join(f"{name} {version}" for name, version in own[0]["versions"].items() if version)
    devices = ", ".join(sorted({result["device"] for result in own}))
    seconds = sum(result["train_seconds"] for result in own)
    unfinished = f"; {planned - len(own)} of {planned} runs not finished" if len(own) < planned else ""
    return f"{NAMES[framework]}: {devices}; {versions}; {seconds:.0f} s of training{unfinished}."


def _markdown(cells: list[dict[str, str]]) -> str:
    table = [list(cells[0]), *(list(row.values()) for row in cells)]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = [
        "| " + " | ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) + " |" for row in table
    ]
    rule = "|" + "|".join("-" * (width + 1) + ":" for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])
