"""The words of the comparison table: its cells, and the notes that say how they came about."""

import pandas as pd

from compare.evidence.pairs import decidable, single, waiting
from compare.evidence.stats import overall
from compare.execution.grid import Grid
from compare.published import published_columns
from compare.worker import NAMES
from shared.departures import departures
from shared.protocols import PROTOCOLS
from shared.recipe import RELU_LAYERS, Recipe
from shared.runs import Run

_OURS = {framework: f"this {NAMES[framework]}: last [ties] / best" for framework in ("torch", "paddle")}
_ARGSORT = {framework: f"this {NAMES[framework]}, argsort: last / best" for framework in ("torch", "paddle")}
_DIFFERENCE = "Paddle - PyTorch, last"
_NOTHING = "-"


def table_cells(
    rows: pd.DataFrame, recipe: Recipe, planned_bits: list[int], differences: dict[int, dict[int, float]]
) -> list[dict[str, str]]:
    """A row a length: heading -> text. ``rows`` are those of table.csv, ``differences`` the paired ones."""
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


def table_notes(grid: Grid, runs: list[Run], recipe: Recipe) -> list[str]:
    """What the numbers are, and how they were made."""
    rule = PROTOCOLS[recipe.protocol]
    return [
        "last: after the last epoch (the headline). best: the best scored epoch, chosen on the queries themselves.",
        "mAP over the whole database ranking by Hamming distance, expected over random order within ties; "
        "[ties]: the last epoch's under the worst and under the best order.",
        _published_note(recipe),
        f"Data: {', '.join(filter(None, [recipe.dataset, grid.label]))} (SHA-256 {recipe.data_sha256[:12]}), "
        f"protocol {recipe.protocol}: {10 * rule.query} queries, {10 * rule.train} training images, "
        f"database = {rule.database}.",
        f"Recipe: preset {recipe.preset}, {plural(recipe.epochs)}, batch {recipe.batch_size}, SGD "
        f"{recipe.learning_rate:g} (x{recipe.lr_drop_factor:g} {_when_dropped(recipe)}), momentum "
        f"{recipe.momentum:g}, weight decay {recipe.weight_decay:g}, penalty {recipe.penalty_weight:g}, "
        f"{recipe.dropout} dropout masks, {recipe.precision}, {recipe.input_px} px, AlexNet width x{recipe.width:g}, "
        f"scored {_when_scored(recipe)}.",
        f"Start: {start(recipe)}; the same weights, split and batch order for both frameworks.",
        f"Seeds: {_seeds(grid)}.",
        *(_framework_note(name, grid, runs) for name in _OURS),
    ]


def verdicts(differences: dict[int, dict[int, float]], margin: float, grid: Grid) -> list[str]:
    """Whether the frameworks differ, length by length and together; nothing where only one of them finished."""
    texts = [f"{note}." for note in waiting(differences, grid)]
    if single(differences, grid):
        texts.append(f"No verdict: one seed a length does not say how far seeds scatter (--seeds); margin {margin:g}.")
    judged = decidable(differences, grid)
    if judged:
        found = overall(judged, margin)
        texts += [f"Paddle - PyTorch, {bits} bits: {one.sentence()}." for bits, one in found.by_bits.items()]
        texts += [f"Paddle - PyTorch: {found.sentence()}."] if len(judged) > 1 else []
    return texts


def _published_note(recipe: Recipe) -> str:
    differing = departures(recipe)
    if differing:
        return f"No published numbers here: this is not the published protocol ({', '.join(differing)} differ)."
    return (
        "Published: paper = Su et al., NeurIPS 2018; PyTorch and Paddle = tables and logs of paddle_greedyhash, one "
        "run each, ties as the sort routine left them (results/reference/). argsort: ours by that rule (NumPy's "
        "default sort, which differs between processors; best: its own best epoch)."
    )


def start(recipe: Recipe) -> str:
    """Which layers start from where."""
    if not recipe.backbone_layers:
        return "all layers random"
    random = [layer for layer in RELU_LAYERS if layer not in recipe.backbone_layers]
    source = "ImageNet AlexNet" if recipe.backbone == "imagenet" else "the layers of a weights file"
    return f"{source} ({', '.join(recipe.backbone_layers)}); random: {', '.join([*random, 'hash', 'classifier'])}"


def _seeds(grid: Grid) -> str:
    """The same at every length, or length by length."""
    by_bits = {bits: ", ".join(map(str, grid.seeds[bits])) for bits in grid.bits}
    if len(set(by_bits.values())) == 1:
        return by_bits[grid.bits[0]]
    return "; ".join(f"{seeds} at {bits} bits" for bits, seeds in by_bits.items())


def _framework_note(framework: str, grid: Grid, runs: list[Run]) -> str:
    own = [run.result() for run in runs if run.result()["framework"] == framework]
    planned = len(grid.pairs)
    if not own and framework in grid.unavailable:
        return f"{NAMES[framework]}: not run; {grid.unavailable[framework]}"
    if not own and framework not in grid.frameworks:
        return f"{NAMES[framework]}: not asked for."
    if not own:
        return f"{NAMES[framework]}: no run finished yet."
    versions = ", ".join(f"{name} {version}" for name, version in own[0]["versions"].items() if version)
    devices = ", ".join(sorted({result["device"] for result in own}))
    seconds = sum(result["train_seconds"] for result in own)
    unfinished = f"; {planned - len(own)} of {planned} runs not finished" if len(own) < planned else ""
    return f"{NAMES[framework]}: {devices}; {versions}; {seconds:.0f} s of training{unfinished}."


def _when_dropped(recipe: Recipe) -> str:
    return f"every {recipe.lr_drop_epoch} epochs" if recipe.drops_again else f"after epoch {recipe.lr_drop_epoch}"


def _when_scored(recipe: Recipe) -> str:
    if recipe.eval_every in (0, recipe.epochs):
        return "after the last epoch"
    return "every epoch" if recipe.eval_every == 1 else f"every {plural(recipe.eval_every)}"


def plural(epochs: int) -> str:
    """ "1 epoch", "5 epochs"."""
    return f"{epochs} epoch{'s' if epochs > 1 else ''}"


def alignment_note(ladders: list[str]) -> str:
    """The verdicts of the alignment ladders that were climbed."""
    return f"Alignment: {'; '.join(ladders)}." if ladders else "Alignment: not checked (compare/align.py)."


def markdown(cells: list[dict[str, str]]) -> str:
    """Rows of heading -> text as a Markdown table, aligned for a terminal."""
    table = [list(cells[0]), *(list(row.values()) for row in cells)]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = [
        "| " + " | ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) + " |" for row in table
    ]
    rule = "|" + "|".join("-" * (width + 1) + ":" for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])
