"""The retrieval grid of a report: a query of each class and the nearest items in both frameworks."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from compare.figures import INK
from compare.report_codes import NEAREST, CodeFacts, Ranking
from compare.report_data import Material, Member
from compare.report_figures import Picture, new_figure
from compare.worker import NAMES
from shared import cifar
from shared.errors import UserError
from shared.recipe import NUM_CLASSES

_TILE, _GAP, _WIDE_GAP = 32, 6, 22
_STEP = _TILE + _GAP
# no framework's colour
_WRONG = (200, 20, 60, 255)


@dataclass(frozen=True)
class Grid:
    """``found`` framework -> rankings of the same queries; ``problem`` says why there is no picture."""

    bits: int
    seed: int
    found: dict[str, list[Ranking]]
    class_names: dict[int, str]
    picture: Picture | None = None
    problem: str = ""

    @property
    def precision(self) -> dict[str, str]:
        """ "97 of 100" right, by framework."""
        return {name: f"{_count(rows) - _wrong(rows)} of {_count(rows)}" for name, rows in self.found.items()}


def retrieval_grid(material: Material, facts: dict[int, dict[str, CodeFacts]]) -> Grid | None:
    """The grid of the longest codes that both frameworks have, else of the longest; None without any codes."""
    if not facts:
        return None
    bits = max(facts, key=lambda bits: (len(facts[bits]), bits))
    member = material.first_finished(next(iter(facts[bits])), bits)
    names = {label: cifar.class_name(member.result["dataset"], label) for label in range(NUM_CLASSES)}
    grid = Grid(bits, member.cell.seed, {name: own.rankings for name, own in facts[bits].items()}, names)
    try:
        return dataclasses.replace(grid, picture=_picture(grid, _images(member)))
    except UserError as error:
        return dataclasses.replace(grid, problem=str(error))


def _images(member: Member) -> np.ndarray:
    """Pixels of the data set, uint8 (N, H, W, 3); UserError when they are not where the run found them."""
    if not member.data:
        raise UserError("the run does not say where its images are (no --data in environment.json)")
    dataset = cifar.load(member.data)
    if dataset.digest() != member.recipe.data_sha256:
        raise UserError(f"{member.data}: these are not the images of the run (SHA-256 {dataset.digest()[:12]})")
    return dataset.pixels


def _picture(grid: Grid, pixels: np.ndarray) -> Picture:
    canvas, crosses, starts = _canvas(grid, pixels)
    height, width = canvas.shape[:2]
    figure, axes = new_figure((width / 72 + 1.0, height / 72 + 0.4))
    axes.imshow(canvas, interpolation="nearest")
    if crosses:
        places = tuple(zip(*crosses, strict=True))
        axes.plot(*places, "s", color=np.array(_WRONG) / 255, ms=11)
        axes.plot(*places, "x", color="white", ms=6, mew=1.8)
    for name, start in starts.items():
        axes.text(start, -_GAP, f"{NAMES[name]}: {grid.precision[name]} right", color=INK)
    labels = [grid.class_names[ranking.label] for ranking in next(iter(grid.found.values()))]
    axes.set_yticks(np.arange(len(labels)) * _STEP + _STEP / 2, labels)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.grid(visible=False)
    words = "; ".join(f"{NAMES[name]} {count}" for name, count in grid.precision.items())
    alt = f"Of the {NEAREST} nearest items of each query, those of the query's class: {words}. Listed below."
    return Picture("retrieval_grid", figure, f"The {NEAREST} nearest items, {grid.bits} bits", alt)


def _canvas(grid: Grid, pixels: np.ndarray) -> tuple[np.ndarray, list[tuple[int, int]], dict[str, int]]:
    """The tiles as RGBA, the places of the wrong ones, and where each framework's columns begin."""
    block = NEAREST * _STEP + _WIDE_GAP
    starts = {name: _STEP + _WIDE_GAP + block * column for column, name in enumerate(grid.found)}
    rows = len(next(iter(grid.found.values())))
    canvas = np.zeros((rows * _STEP, _STEP + _WIDE_GAP + block * len(starts), 4), np.uint8)
    crosses = []
    for name, rankings_found in grid.found.items():
        for row, ranking in enumerate(rankings_found):
            top = row * _STEP + _GAP // 2
            _put(canvas, top, _GAP // 2, pixels[ranking.index], wrong=False)
            for column, hit in enumerate(ranking.hits):
                left = starts[name] + column * _STEP
                _put(canvas, top, left, pixels[hit.index], hit.wrong)
                crosses += [(left + _TILE - 6, top + 6)] if hit.wrong else []
    return canvas, crosses, starts


def _put(canvas: np.ndarray, top: int, left: int, image: np.ndarray, wrong: bool) -> None:
    frame = _GAP // 2
    if wrong:
        canvas[top - frame : top + _TILE + frame, max(left - frame, 0) : left + _TILE + frame] = _WRONG
    rows, columns = (np.arange(_TILE) * side // _TILE for side in image.shape[:2])
    canvas[top : top + _TILE, left : left + _TILE, :3] = image[rows][:, columns]
    canvas[top : top + _TILE, left : left + _TILE, 3] = 255


def _count(rows: list[Ranking]) -> int:
    return sum(len(ranking.hits) for ranking in rows)


def _wrong(rows: list[Ranking]) -> int:
    return sum(hit.wrong for ranking in rows for hit in ranking.hits)
