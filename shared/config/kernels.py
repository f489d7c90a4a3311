"""Which kernels of training are this project's own, the same in both frameworks, and which the framework's."""

from collections.abc import Collection, Set
from functools import cache

from shared.system.errors import UserError, printable

NATIVE, SHARED = "native", "shared"
# a family's group stands before its dot, and for all of its families
FAMILIES = (
    *("conv.fwd", "conv.dx", "conv.dw", "conv.db"),
    *("linear.fwd", "linear.dx", "linear.dw", "linear.db"),
    *("pool", "ce", "penalty", "sgd"),
)
_GROUPS = tuple(dict.fromkeys(family.split(".")[0] for family in FAMILIES if "." in family))


@cache
def shared_families(kernels: str) -> frozenset[str]:
    """The families that ``kernels`` gives to this project.

    ``kernels`` is "native", "shared", "native+FAMILY..." for families taken, or "shared-FAMILY..." for families given
    back; a group stands for all of its families. UserError for another text.

    >>> sorted(shared_families("native+linear+ce"))
    ['ce', 'linear.db', 'linear.dw', 'linear.dx', 'linear.fwd']
    """
    base, sign = (NATIVE, "+") if kernels.startswith(NATIVE) else (SHARED, "-")
    first, *names = kernels.split(sign)
    if first != base or not all(map(_members, names)):
        raise UserError(
            f"kernels: expected native, shared, native+FAMILY... or shared-FAMILY... with families among "
            f"{', '.join((*_GROUPS, *FAMILIES))}, received {printable(kernels, 60)!r}"
        )
    named = frozenset(family for name in names for family in _members(name))
    return named if base == NATIVE else frozenset(FAMILIES) - named


def takes(group: str, families: Set[str]) -> bool:
    """Whether any family of the group is among ``families``."""
    return not families.isdisjoint(_members(group))


def canonical(kernels: str) -> str:
    """The one text of its set of families, the shorter of the two; UserError like ``shared_families``.

    >>> canonical("native+conv.db+conv.dx+conv.fwd+conv.dw"), canonical("shared-conv-linear-pool-ce-penalty-sgd")
    ('native+conv', 'native')
    """
    taken = shared_families(kernels)
    given_back = frozenset(FAMILIES) - taken
    if len(taken) <= len(given_back):
        return "+".join((NATIVE, *_named(taken)))
    return "-".join((SHARED, *_named(given_back)))


def check_kernels(kernels: str, device: str, processes: int = 1) -> None:
    """UserError where a network with shared kernels would not be on a CPU, or trained by several processes.

    They are NumPy's and numba's; several processes would add up gradients in an order that each framework chooses.
    """
    if kernels == NATIVE:
        return
    if device != "cpu":
        raise UserError(f"kernels {kernels}: expected a CPU, which alone has them, received a GPU; use --device cpu")
    if processes > 1:
        raise UserError(
            f"kernels {kernels}: expected one process, received {processes}, whose gradients each framework adds up in "
            "its own order; leave out --devices and --nodes"
        )


def _members(name: str) -> tuple[str, ...]:
    return tuple(family for family in FAMILIES if family == name or (name in _GROUPS and family.startswith(name + ".")))


def _named(families: Set[str]) -> Collection[str]:
    """Names of the families in their order, of a whole group its own."""
    whole = {group for group in _GROUPS if families >= frozenset(_members(group))}
    return dict.fromkeys(
        group if (group := family.split(".")[0]) in whole else family for family in FAMILIES if family in families
    )
