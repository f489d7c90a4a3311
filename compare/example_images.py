"""Draw a small data set of pictures in class folders, to try training on images of one's own without a download.

python compare/example_images.py DIR                 red discs, green squares and blue triangles, 60 pictures each
python compare/example_images.py DIR --classes 100   as many colours of them as asked for
"""

import sys
from os.path import abspath, dirname

if __name__ == "__main__":
    sys.path.insert(0, dirname(dirname(abspath(__file__))))
    from shared.system.entry import end_in_order

    end_in_order()

import argparse
import colorsys
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from shared.system.errors import UserError, exit_status
from shared.system.files import check_writable, new_folder
from shared.system.options import Parser, whole

_CORNERS = {"disc": 0, "square": 4, "triangle": 3}
_SIDES = (48, 65)  # pixels of a picture, from and below
_SEED = 0


def build_parser() -> argparse.ArgumentParser:
    """The options of ``compare/example_images.py``."""
    parser = Parser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder to make; it must not hold anything yet")
    parser.add_argument("--classes", type=whole(2, 1000), default=3, metavar="N", help="number of classes; default: 3")
    parser.add_argument("--images", type=whole(1, 10_000), default=60, metavar="N", help="of each; default: 60")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Draw what the command line asks for."""
    arguments = build_parser().parse_args(argv)
    folder = arguments.folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder}: expected a new or an empty folder, received one that holds something; name another")
    check_writable(folder)
    for number in range(arguments.classes):
        name = _class_name(number)
        with new_folder(folder / name):
            for image in range(arguments.images):
                draw(number, arguments.classes, image).save(folder / name / f"{image}.png")
    print(f"{folder}: {arguments.classes} classes of {arguments.images} pictures; train on them with --data {folder}")


def draw(number: int, classes: int, image: int) -> Image.Image:
    """One picture of class ``number``: its shape in its colour, anywhere on a grey ground; equal for equal arguments.

    Hues go once around the colour wheel, class by class.
    """
    generator = np.random.RandomState([_SEED, number, image])
    width, height = (int(generator.randint(*_SIDES)) for _ in range(2))
    grey = generator.randint(0, 80) + generator.randint(0, 40, (height, width, 1))
    picture = Image.fromarray(np.repeat(grey, 3, axis=2).astype(np.uint8))
    hue = (number + generator.uniform(0, 0.5)) / classes
    colour = tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.8, generator.uniform(0.8, 1)))
    radius = min(width, height) * generator.uniform(0.25, 0.4)
    centre = [generator.uniform(radius, side - radius) for side in (width, height)]
    corners = list(_CORNERS.values())[number % len(_CORNERS)]
    if corners:
        turn = generator.uniform(-0.2, 0.2) + (math.pi / 4 if corners == 4 else -math.pi / 2)
        angles = [turn + 2 * math.pi * corner / corners for corner in range(corners)]
        points = [(centre[0] + radius * math.cos(a), centre[1] + radius * math.sin(a)) for a in angles]
        ImageDraw.Draw(picture).polygon(points, fill=colour)
    else:
        ImageDraw.Draw(picture).ellipse([c + sign * radius for sign in (-1, 1) for c in centre], fill=colour)
    return picture


def _class_name(number: int) -> str:
    shape = list(_CORNERS)[number % len(_CORNERS)]
    return shape if number < len(_CORNERS) else f"{shape}-{number // len(_CORNERS) + 1}"


if __name__ == "__main__":
    sys.exit(exit_status(main))
