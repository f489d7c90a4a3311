"""A drawn figure as a part of a page: in the page's colours, without what a page of many need not carry."""

import re
from pathlib import Path

from compare.page.figures import COLOURS, INK, PAPER

_IN_PAGE = {INK: "currentColor", PAPER: "var(--card)"} | {hexes: f"var(--{name})" for name, hexes in COLOURS.items()}


def inline_svg(stem: Path) -> str:
    """The figure in ``stem``.svg as an element of a page, as wide as its place.

    The element is hidden from screen readers: what stands around it must say what it shows.
    """
    text = (stem.parent / f"{stem.name}.svg").read_text(encoding="utf-8")
    text = re.sub(r"<metadata>.*?</metadata>|<style .*?</style>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'^<svg [^>]*?(viewBox="[^"]*")[^>]*>', r'<svg \1 aria-hidden="true">', text, flags=re.DOTALL)
    text = re.sub(r"<[^>]+>", lambda tag: _short(tag[0]), text)
    # names must differ between the figures of one page
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{stem.name}-", text)
    text = _with_classes(text, f"{stem.name}-s")
    for colour, variable in _IN_PAGE.items():
        text = text.replace(colour, variable)
    return text


def _short(tag: str) -> str:
    """The tag without places finer than 0.01 pt, and without the name of a group, to which nothing refers."""
    tag = re.sub(r"-?\d+\.\d{3,}", lambda number: f"{round(float(number[0]), 2):g}", tag)
    return "<g>" if tag.startswith("<g id=") else re.sub(r"\s*\n\s*", "\n", tag)


def _with_classes(svg: str, prefix: str) -> str:
    """Each style once, in a sheet: hundreds of markers share one."""
    names: dict[str, str] = {}

    def as_class(style: re.Match) -> str:
        return f'class="{names.setdefault(style[1], f"{prefix}{len(names)}")}"'

    svg = re.sub(r'\bstyle="([^"]*)"', as_class, svg)
    sheet = "".join(f".{name} {{ {style} }}\n" for style, name in names.items())
    return svg.replace(">", f"><style>\n{sheet}</style>", 1)
