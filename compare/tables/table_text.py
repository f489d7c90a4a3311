"""The text of the comparison table: its cells and its notes."""

from collections.abc import Mapping

import pandas as pd

from compare.frameworks.records import FRAMEWORKS, Framework, Pair, all_of, named, pairs
from compare.stats.pairs import Differences
from compare.suite.grid import Grid
from compare.tables.data_text import classes_text, ranking_text, split_text
from compare.tables.published import PAPER, published_columns
from shared.codes.codes import collapse_text
from shared.config.kernels import NATIVE
from shared.config.optimizers import OPTIMIZERS
from shared.config.recipe import Recipe
from shared.network.alexnet import RELU_LAYERS, sizes_of
from shared.system.errors import printable
from shared.training.runs import Run, threads_of

NOTHING = "-"


def table_cells(
    rows: pd.DataFrame, recipe: Recipe, planned_bits: list[int], differences: Mapping[Pair, Differences]
) -> list[dict[str, str]]:
    """A row a length: heading -> text, the differences first. ``rows`` are those of table.csv."""
    cells = []
    several = len(rows) > 0 and bool(rows.groupby(["framework", "bits"]).size().max() > 1)
    for bits in lengths(rows, planned_bits):
        row = {"bits": str(bits)}
        for pair in pairs():
            values = pd.Series(differences[pair].get(bits, {}), dtype=float)
            row |= {str(pair): mean_text(values, sign="+")} | ({named(pair, "n"): str(len(values))} if several else {})
        for framework in FRAMEWORKS.values():
            framework_rows = rows[(rows.bits == bits) & (rows.framework == framework.key)]
            paired = {len(differences[pair].get(bits, {})) for pair in pairs() if framework in pair}
            row |= _scores(framework, recipe, framework_rows, paired)
        cells.append(row | {name: of.get(bits, NOTHING) for name, of in _paper(recipe).items()})
    return cells


def lengths(rows: pd.DataFrame, planned_bits: list[int]) -> list[int]:
    """Those that are planned or have a run; ``rows`` are those of table.csv."""
    return sorted({*planned_bits, *rows.bits.tolist()})


def _paper(recipe: Recipe) -> dict[str, dict[int, str]]:
    return {name: of for name, of in published_columns(recipe).items() if name == PAPER}


def _scores(framework: Framework, recipe: Recipe, rows: pd.DataFrame, paired: set[int]) -> dict[str, str]:
    """A framework's mAP, its tie range and best epoch; with the number of runs unless so many are ``paired``."""
    name = framework.short
    ties = f"{rows.map_last_ties_worst.mean():.4f}-{rows.map_last_ties_best.mean():.4f}" if len(rows) else NOTHING
    count = f" (n={len(rows)})" if len(rows) > 1 and {len(rows)} != paired else ""
    cells = {f"{name} {recipe.measure}": f"{mean_text(rows.map_last)}{count}", f"{name} ties": ties}
    with_best = recipe.eval_every not in (0, recipe.epochs)
    return cells | ({f"{name} best": f"{mean_text(rows.map_best)}"} if with_best else {})


def mean_text(values: pd.Series, sign: str = "") -> str:
    """ "0.7713", of several with their standard deviation."""
    if values.empty:
        return NOTHING
    mean = format(values.mean(), f"{sign}.4f")
    return mean if len(values) == 1 else f"{mean} +- {values.std():.4f}"


def number_notes(recipe: Recipe, several: bool) -> list[str]:
    """What the numbers of the table are, the published ones aside."""
    spread = " +-: standard deviation over n seeds." if several else ""
    best = " best: best-scoring epoch, selected on the queries." if recipe.eval_every not in (0, recipe.epochs) else ""
    return [
        f"{recipe.measure} over {ranking_text(recipe)} by Hamming distance, last epoch, expectation over random tie "
        f"order. ties: from worst to best tie order.{best}{spread}"
    ]


def collapse_notes(runs: list[Run]) -> list[str]:
    """A line for each run whose codes cannot tell the classes apart."""
    return list(filter(None, map(_collapse_note, runs)))


def recipe_notes(grid: Grid, recipe: Recipe) -> list[str]:
    """Data, settings and start of the runs."""
    name = ", ".join(filter(None, [recipe.dataset, grid.label]))
    return [
        f"{name} (SHA-256 {recipe.data_sha256[:12]}){classes_text(recipe)}, protocol {recipe.protocol}: "
        f"{split_text(recipe)}.",
        f"Preset {recipe.preset}: {plural(recipe.epochs)}, batch {recipe.batch_size}, "
        f"{OPTIMIZERS[recipe.optimizer]}, learning rate "
        f"{recipe.learning_rate:g} (x{recipe.lr_drop_factor:g} {_when_dropped(recipe)}), momentum "
        f"{recipe.momentum:g}, weight decay {recipe.weight_decay:g}, quantization penalty {recipe.penalty_weight:g}, "
        f"{recipe.dropout} dropout masks, {recipe.precision}, {_kernels(recipe)}{recipe.input_px} px, AlexNet "
        f"{sizes_of(recipe)}, scored {_when_scored(recipe)}.",
        f"Initial weights: {start(recipe)}; the same in {all_of()} frameworks, as are split and batch order. "
        f"Seeds: {_seeds(grid)}.",
    ]


def environment_notes(grid: Grid, runs: list[Run]) -> list[str]:
    """What each framework ran on, or why it did not."""
    return [_framework_note(name, grid, runs) for name in FRAMEWORKS]


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
    its_runs = [run for run in runs if run.result()["framework"] == framework]
    results = [run.result() for run in its_runs]
    planned = len(grid.pairs)
    if not results and framework in grid.unavailable:
        return f"{FRAMEWORKS[framework].title}: not run; {printable(grid.unavailable[framework])}"
    if not results and framework not in grid.frameworks:
        return f"{FRAMEWORKS[framework].title}: not asked for."
    if not results:
        return f"{FRAMEWORKS[framework].title}: no run finished yet."
    versions = ", ".join(f"{name} {version}" for name, version in results[0]["versions"].items() if version)
    devices = ", ".join(sorted({result["device"] for result in results}))
    seconds = sum(result["train_seconds"] for result in results)
    unfinished = f"; {planned - len(results)} of {planned} runs not finished" if len(results) < planned else ""
    place = ", ".join(filter(None, [devices, _threads(its_runs)]))
    return f"{FRAMEWORKS[framework].title}: {place}; {versions}; {seconds:.0f} s of training{unfinished}."


def _collapse_note(run: Run) -> str:
    result = run.result()
    cell = f"{FRAMEWORKS[result['framework']].title}, {result['bits']} bits, seed {result['seed']}"
    images = result["retrieval"]["queries"] + result["retrieval"]["items"]
    known = result["distinct_codes"] is not None  # older versions did not count them
    warning = known and collapse_text(images, result["distinct_codes"], run.recipe().num_classes)
    return f"{cell}: {warning}." if warning else ""


def _threads(runs: list[Run]) -> str:
    """ "2 threads", "runs on 1 and 2 threads"; "" where no run says."""
    counts = threads_of(runs)
    if len(counts) > 1:
        return f"runs on {', '.join(map(str, counts[:-1]))} and {counts[-1]} threads, which results depend on"
    return "".join(f"{count} thread{'s' if count > 1 else ''}" for count in counts)


def _when_dropped(recipe: Recipe) -> str:
    return f"every {recipe.lr_drop_epoch} epochs" if recipe.drops_again else f"after epoch {recipe.lr_drop_epoch}"


def _kernels(recipe: Recipe) -> str:
    return "" if recipe.kernels == NATIVE else f"{recipe.kernels} kernels, "


def _when_scored(recipe: Recipe) -> str:
    if recipe.eval_every in (0, recipe.epochs):
        return "after the last epoch"
    return "every epoch" if recipe.eval_every == 1 else f"every {plural(recipe.eval_every)}"


def plural(epochs: int) -> str:
    """ "1 epoch", "5 epochs"."""
    return f"{epochs} epoch{'s' if epochs > 1 else ''}"


def alignment_note(ladders: list[str]) -> str:
    """The verdicts of the alignment ladders that were run."""
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
