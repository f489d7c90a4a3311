"""Findings of a diagnosis: what was looked at, how it stands, and what to do about it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from shared.system.errors import printable

OK, WARNING, FAULT = "ok", "warning", "fault"
_SHOWN = 600


@dataclass(frozen=True)
class Finding:
    """``level`` is one of the three above; what is not ok has a ``remedy``. ``text`` and ``remedy`` are of one line."""

    level: str
    subject: str
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        remedy = f"; {printable(self.remedy, _SHOWN)}" if self.remedy else ""
        return f"{self.level:<8}{self.subject}: {printable(self.text, _SHOWN)}{remedy}"


def has_fault(findings: Sequence[Finding]) -> bool:
    """Whether a benchmark would fail, or mislead."""
    return any(finding.level == FAULT for finding in findings)


def as_json(findings: Sequence[Finding]) -> list[dict]:
    """Each finding's fields."""
    return [asdict(finding) for finding in findings]


def conclusion(findings: Sequence[Finding]) -> str:
    """How many findings of each level there are."""
    counts = [sum(finding.level == level for finding in findings) for level in (OK, WARNING, FAULT)]
    words = ("ok", "warning" if counts[1] == 1 else "warnings", "fault" if counts[2] == 1 else "faults")
    return ", ".join(f"{count} {word}" for count, word in zip(counts, words, strict=True))
