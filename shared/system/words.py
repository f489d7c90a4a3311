"""Lists within sentences."""

from collections.abc import Iterable


def listed(things: Iterable[object]) -> str:
    """ "fc6 and fc7"; "1, 2 and 3".

    >>> listed([1, 2, 3]), listed(["fc6"]), listed([])
    ('1, 2 and 3', 'fc6', '')
    """
    *first, last = [*map(str, things)] or [""]
    return f"{', '.join(first)} and {last}" if first else last
