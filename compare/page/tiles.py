"""A grid of images: in each row a query and what was found for it, with the wrong ones marked."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from compare.page.figures import INK

_TILE, _GAP, _WIDE_GAP = 32, 6, 22
_STEP = _TILE + _GAP
# no framework's colour
_WRONG = (200, 20, 60, 255)
_INCHES_PER_LETTER = 0.085


class Tile(NamedTuple):
    """One image, uint8 (height, width, 3) of any size."""

    pixels: np.ndarray
    wrong: bool = False


class Block(NamedTuple):
    """Columns under one title: for each query the tiles that were found, best first."""

    title: str
    rows: Sequence[Sequence[Tile]]


def tile_figure(names: Sequence[str], queries: Sequence[np.ndarray], blocks: Sequence[Block]) -> Figure:
    """The grid of ``queries``, images as in a tile, with the ``names`` of the rows beside it."""
    starts, (height, width) = _starts(blocks), (len(queries) * _STEP, _STEP + sum(map(_width, blocks)))
    places = list(_places(queries, blocks, starts))
    letters = max(len(line) for name in names for line in name.splitlines())
    titles = starts[-1] / 72 + len(blocks[-1].title) * _INCHES_PER_LETTER
    size = max(width / 72, titles) + letters * _INCHES_PER_LETTER, height / 72 + 0.4
    axes = (figure := Figure(figsize=size, layout="constrained")).add_subplot()
    axes.imshow(_canvas(places, height, width), interpolation="nearest")
    crosses = [(left + _TILE - 6, top + 6) for left, top, tile in places if tile.wrong]
    if crosses:
        axes.plot(*zip(*crosses, strict=True), "s", color=np.array(_WRONG) / 255, ms=11)
        axes.plot(*zip(*crosses, strict=True), "x", color="white", ms=6, mew=1.8)
    for block, start in zip(blocks, starts, strict=True):
        axes.text(start, -_GAP, block.title, color=INK)
    axes.set_yticks(np.arange(len(names)) * _STEP + _STEP / 2, names, parse_math=False)
    axes.set_xticks([])
    axes.set_anchor("W")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.grid(visible=False)
    return figure


def _width(block: Block) -> int:
    return max(map(len, block.rows)) * _STEP + _WIDE_GAP


def _starts(blocks: Sequence[Block]) -> list[int]:
    """Where the columns of each block begin."""
    widths = [_width(block) for block in blocks]
    return [_STEP + _WIDE_GAP + sum(widths[:before]) for before in range(len(widths))]


def _places(
    queries: Sequence[np.ndarray], blocks: Sequence[Block], starts: Sequence[int]
) -> Iterator[tuple[int, int, Tile]]:
    """Every tile with its place, from the left and from the top."""
    query_rows = [[Tile(pixels)] for pixels in queries]
    for start, rows in [(_GAP // 2, query_rows), *((s, block.rows) for s, block in zip(starts, blocks, strict=True))]:
        for row, tiles in enumerate(rows):
            for column, tile in enumerate(tiles):
                yield start + column * _STEP, row * _STEP + _GAP // 2, tile


def _canvas(places: Sequence[tuple[int, int, Tile]], height: int, width: int) -> np.ndarray:
    """The tiles on a transparent ground: uint8 (height, width, 4)."""
    canvas, frame = np.zeros((height, width, 4), np.uint8), _GAP // 2
    for left, top, tile in places:
        if tile.wrong:
            canvas[top - frame : top + _TILE + frame, left - frame : left + _TILE + frame] = _WRONG
        rows, columns = (np.arange(_TILE) * side // _TILE for side in tile.pixels.shape[:2])
        inner = canvas[top : top + _TILE, left : left + _TILE]
        inner[..., :3], inner[..., 3] = tile.pixels[rows][:, columns], 255
    return canvas
