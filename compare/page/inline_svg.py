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
    dropped = r"<metadata>.*?</metadata>|<style .*?</style>|<!--.*?-->"
    text = re.sub(dropped, "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'^<svg [^>]*?(viewBox="[^"]*")[^>]*>', r'<svg \1 aria-hidden="true">', text, flags=re.DOTALL)
    classes: dict[str, str] = {}
    # in tags alone: texts are the user's, and stay as they are
    text = re.sub(r"<[^>]+>", lambda tag: _in_page(tag[0], stem.name, classes), text)
    sheet = "".join(f".{name} {{ {style} }}\n" for style, name in classes.items())
    text = text.replace(">", f"><style>\n{sheet}</style>", 1)
    for colour, variable in _IN_PAGE.items():
        text = text.replace(colour, variable)
    return text


def _in_page(tag: str, figure: str, classes: dict[str, str]) -> str:
    """The tag with names that no other figure has, no places finer than 0.01 pt, and one of ``classes`` for its style.

    ``classes``, style -> name, takes in what it lacks: hundreds of markers share one.
    """
    if tag.startswith("<g id="):
        return "<g>"  # nothing refers to a group
    tag = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{figure}-", tag)
    tag = re.sub(r"-?\d+\.\d{3,}", lambda number: f"{round(float(number[0]), 2):g}", tag)
    style = re.search(r'\bstyle="([^"]*)"', tag)
    if style:
        tag = tag.replace(style[0], f'class="{classes.setdefault(style[1], f"{figure}-s{len(classes)}")}"')
    return re.sub(r"\s*\n\s*", "\n", tag)
