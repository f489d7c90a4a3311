"""What a value read from a pickle consists of, beside plain containers, numbers and texts; nothing of it is called."""

from dataclasses import dataclass, field

_MOST_IN_A_KEY = 1_000


class PickleError(Exception):
    """Why a pickle is not read, as the end of a sentence that begins with "it"."""


@dataclass(frozen=True, slots=True)
class Global:
    """A class or function that a pickle names."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False, slots=True)
class StandIn:
    """An object of a class that is not known here, with the ``state`` and the ``items`` that the pickle gives it."""

    kind: str
    state: object = None
    items: dict = field(default_factory=dict)

    def __str__(self) -> str:
        return self.kind


def reason_of(error: Exception) -> str:
    """Why a file cannot be read, without a library's message, which would be about its own internals."""
    return f"it {error}" if isinstance(error, PickleError) else f"it is damaged ({type(error).__name__})"


def checked_key(key: object) -> object:
    """``key`` of a dict, if hashing it is safe: a tuple of tuples can take 2**60 steps. Raises PickleError if not."""
    parts, count = [key], 1
    while parts:
        part = parts.pop()
        if isinstance(part, tuple):
            count += len(part)
            if count > _MOST_IN_A_KEY:
                raise PickleError("has a key of too many parts")
            parts.extend(part)
        elif isinstance(part, (list, dict)):
            raise PickleError("has a list or a dict as a key")
    return key
