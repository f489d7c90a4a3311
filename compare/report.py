"""Write OUT/report.html: one file that shows what a suite found, and OUT/figures/ with its figures as SVG and PNG.

python compare/report.py OUT      OUT is a folder of benchmark.py, finished or not
"""

import runpy
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).parents[1] / "shared" / "system" / "entry.py"))

import sys

import jinja2
from markupsafe import Markup

from compare.figures import inline_svg, save_figure
from compare.reporting.content import content
from compare.reporting.curves import Picture
from compare.reporting.data import read_suite
from compare.reporting.freshness import REPORT_FILE
from shared.system.errors import exit_status
from shared.system.files import check_links, write_text
from shared.system.options import Parser

_TEMPLATES = Path(__file__).with_name("templates")


def main() -> None:
    """Write the report of the suite that the command line names."""
    parser = Parser(description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of a suite, finished or not")
    print(f"written to {write_report(parser.parse_args().out)}")


def write_report(out: Path) -> Path:
    """Write report.html and the figures into ``out`` and return the path of the first.

    Raises UserError when ``out`` holds no suite; whatever else is missing, the report says so.
    """
    check_links(out)
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["svg"] = lambda picture: _draw(out, picture)
    page = templates.get_template("report.html.j2").render(content(read_suite(out)))
    write_text(out / REPORT_FILE, page)
    return out / REPORT_FILE


def _draw(out: Path, picture: Picture) -> Markup:
    """The picture as part of the page; its files are written on the way."""
    stem = out / "figures" / picture.name
    save_figure(picture.figure, stem)
    return Markup(inline_svg(stem))  # noqa: S704 - drawn by matplotlib, which escapes its texts


if __name__ == "__main__":
    sys.exit(exit_status(main))
