"""The retrieval grid of a report: a query of each class and the nearest items in every framework."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from compare.frameworks.records import FRAMEWORKS
from compare.page.codes import NEAREST, LengthMetrics, Ranking
from compare.page.curves import Picture
from compare.page.data import RunData, SuiteData
from compare.page.tiles import Block, Tile, tile_figure
from shared.config.recipe import Recipe
from shared.data.cifar import class_name
from shared.system.errors import UserError
from shared.training.open_job import load_data

_K = str(NEAREST)


@dataclass(frozen=True)
class RetrievalGrid:
    """``rankings`` framework -> rankings of the same queries; ``problem`` says why there is no picture.

    ``overall`` framework -> precision of the first ten over all ``queries``, expected over random order within ties.
    """

    bits: int
    seed: int
    rankings: dict[str, list[Ranking]]
    class_names: dict[int, str]
    overall: dict[str, float]
    queries: int
    picture: Picture | None = None
    problem: str = ""

    @property
    def shown(self) -> str:
        """The classes that have a row."""
        rows = len(next(iter(self.rankings.values())))
        return "each class" if rows == len(self.class_names) else f"the first {rows} of {len(self.class_names)} classes"

    @property
    def precision(self) -> dict[str, str]:
        """ "97 of 100" right, by framework."""
        return {name: f"{_count(rows) - _wrong(rows)} of {_count(rows)}" for name, rows in self.rankings.items()}

    @property
    def summary(self) -> str:
        """How many of the items shown are right, beside precision over all queries."""
        shown = "; ".join(f"{FRAMEWORKS[name].title} {count}" for name, count in self.precision.items())
        text = f"Of the items shown, those of the query's class: {shown}."
        overall = "; ".join(f"{FRAMEWORKS[name].title} {value:.4f}" for name, value in self.overall.items())
        return f"{text} Precision@{NEAREST} over all {self.queries:,} queries: {overall}." if overall else text


def retrieval_grid(suite_data: SuiteData, by_length: dict[int, LengthMetrics]) -> RetrievalGrid | None:
    """The grid of the longest codes that the most frameworks have, else of the longest; None without any codes."""
    if not by_length:
        return None
    bits = max(by_length, key=lambda bits: (len(by_length[bits].of), bits))
    shown = by_length[bits]
    run_data = suite_data.finished_run(next(iter(shown.of)), bits, shown.seed)
    recipe = run_data.recipe
    names = class_names_of(recipe)
    rankings = {name: metrics.rankings for name, metrics in shown.of.items()}
    scores = {name: suite_data.finished_run(name, bits, shown.seed).result["retrieval"] for name in rankings}
    overall = {name: score["precision_at"][_K] for name, score in scores.items() if _K in score["precision_at"]}
    queries = run_data.result["retrieval"]["queries"]
    grid = RetrievalGrid(bits, run_data.cell.seed, rankings, names, overall, queries)
    try:
        return dataclasses.replace(grid, picture=_picture(grid, _images(run_data)))
    except UserError as error:
        return dataclasses.replace(grid, problem=str(error))


def class_names_of(recipe: Recipe) -> dict[int, str]:
    """What the classes of the data set are called."""
    return {label: class_name(recipe.dataset, label, recipe.class_names) for label in range(recipe.num_classes)}


def _images(run_data: RunData) -> np.ndarray:
    """Pixels of the data set, uint8 (N, H, W, 3); UserError when they are not where the run found them."""
    if not run_data.data:
        raise UserError("the run does not say where its images are (no --data in environment.json)")
    return load_data(run_data.recipe, run_data.data)[0].pixels


def _picture(grid: RetrievalGrid, pixels: np.ndarray) -> Picture:
    blocks = []
    for name, rankings in grid.rankings.items():
        title = f"{FRAMEWORKS[name].title}: {grid.precision[name]} right"
        blocks.append(Block(title, [_tiles(ranking, pixels) for ranking in rankings]))
    rankings = next(iter(grid.rankings.values()))
    names = [grid.class_names[ranking.label] for ranking in rankings]
    figure = tile_figure(names, [pixels[ranking.index] for ranking in rankings], blocks)
    alt = f"{grid.summary} Listed below."
    return Picture("retrieval_grid", figure, f"The {NEAREST} nearest items, {grid.bits} bits", alt)


def _tiles(ranking: Ranking, pixels: np.ndarray) -> list[Tile]:
    return [Tile(pixels[hit.index], hit.wrong) for hit in ranking.hits]


def _count(rows: list[Ranking]) -> int:
    return sum(len(ranking.hits) for ranking in rows)


def _wrong(rows: list[Ranking]) -> int:
    return sum(hit.wrong for ranking in rows for hit in ranking.hits)
