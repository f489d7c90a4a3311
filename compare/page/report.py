"""The report of a suite as one file, its figures within it and beside it."""

from pathlib import Path

import jinja2
from markupsafe import Markup

from compare.ladder.records import shown_limit
from compare.page.content import content
from compare.page.curves import Picture
from compare.page.data import read_suite
from compare.page.figures import save_figure
from compare.page.freshness import REPORT_FILE
from compare.page.inline_svg import inline_svg
from compare.tables.table import ComparisonTable
from shared.system.files import check_links, write_text

_TEMPLATES = Path(__file__).with_name("templates")


def write_report(out: Path, table: ComparisonTable | None = None) -> Path:
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
    templates.filters["shown_limit"] = shown_limit
    templates.filters["svg"] = lambda picture: _draw(out, picture)
    page = templates.get_template("report.html.j2").render(content(read_suite(out, table)))
    write_text(out / REPORT_FILE, page)
    return out / REPORT_FILE


def _draw(out: Path, picture: Picture) -> Markup:
    """The picture as part of the page; its files are written on the way."""
    stem = out / "figures" / picture.name
    save_figure(picture.figure, stem)
    return Markup(inline_svg(stem))  # noqa: S704 - drawn by matplotlib, which escapes its texts
