"""The NVIDIA cards of this machine and their driver, as nvidia-smi tells."""

import shutil
import subprocess
from typing import NamedTuple

from shared.system.errors import UserError, printable

_FIELDS = ("name", "compute_cap", "driver_version", "memory.total", "memory.free")
_QUERY = ("nvidia-smi", f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader,nounits")
_SECONDS_TO_ANSWER = 30.0


class Card(NamedTuple):
    """A card: its compute ``capability`` is written "8.6", its memory counted in MiB."""

    name: str
    capability: str
    driver: str
    total_mib: int
    free_mib: int

    def __str__(self) -> str:
        return (
            f"{self.name}, compute capability {self.capability}, driver {self.driver}, "
            f"{self.free_mib} of {self.total_mib} MiB free"
        )


def cards_here(seconds: float = _SECONDS_TO_ANSWER) -> list[Card]:
    """The cards, [] without nvidia-smi or without a card; UserError where nvidia-smi does not tell."""
    if shutil.which(_QUERY[0]) is None:
        return []
    out, errors, status = _answer(seconds)
    said = out.strip() or errors.strip()
    if said.startswith("No devices"):
        return []
    found = [_card(line) for line in out.strip().splitlines()]
    if status or not found or None in found:
        raise UserError(
            f"nvidia-smi: expected {len(_FIELDS)} values for each card, received {printable(said, 150)!r} with exit "
            f"status {status}; mend the driver, or compute on the CPU (--device cpu)"
        )
    return found


def _card(line: str) -> Card | None:
    values = [value.strip() for value in line.split(",")]
    name, (*texts, total, free) = ", ".join(values[: -len(_FIELDS) + 1]), values[-len(_FIELDS) + 1 :]
    if len(values) < len(_FIELDS) or not (total.isdecimal() and free.isdecimal()):
        return None
    return Card(printable(name, 60), *(printable(text, 20) for text in texts), int(total), int(free))


def _answer(seconds: float) -> tuple[str, str, int]:
    """What nvidia-smi prints to standard output and error, and its exit status."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "errors": "replace"}
    mend = "mend the driver, or compute on the CPU (--device cpu)"
    try:
        process = subprocess.Popen(_QUERY, **pipes)
        return *process.communicate(timeout=seconds), process.returncode
    except subprocess.TimeoutExpired:
        process.kill()  # and not waited for: one that the driver holds does not end
        raise UserError(f"nvidia-smi: expected an answer within {seconds:g} seconds, received none; {mend}") from None
    except OSError as error:
        raise UserError(f"nvidia-smi: expected it to start, received: {error.strerror}; {mend}") from error
