"""The NVIDIA cards of this machine and their driver, as nvidia-smi tells, or as the user names them."""

import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

from compare.installation.table import Version, dotted
from shared.system.errors import UserError, printable

SECONDS_TO_ANSWER = 30.0
_PROGRAM = "nvidia-smi"
_LINE = re.compile(r"(\d{1,3}\.\d{1,3}), *(\d{1,5}(?:\.\d{1,5}){1,3})", re.ASCII)
_CAPABILITIES = re.compile(r"\d{1,3}\.\d{1,3}(?:,\d{1,3}\.\d{1,3})*", re.ASCII)
_DRIVER = re.compile(r"\d{1,5}(?:\.\d{1,5}){0,3}", re.ASCII)
_MEND = "mend the driver, or name what is there (make CARD=8.6 DRIVER=535.54.03), or take the CPU (make EXTRA=cpu)"


@dataclass(frozen=True)
class Machine:
    """Compute capabilities of its cards, each kind once in ascending order, and the version of its driver."""

    capabilities: tuple[Version, ...]
    driver: Version

    @property
    def cards(self) -> str:
        """The capabilities in words."""
        return f"compute capability {' and '.join(map(dotted, self.capabilities))}"

    def __str__(self) -> str:
        return f"{self.cards} with driver {dotted(self.driver)}"


def has_nvidia_card(seconds: float = SECONDS_TO_ANSWER) -> bool:
    """Whether there is a card, or nvidia-smi cannot tell: the installation then says what is wrong with it."""
    try:
        return cards_here(seconds) is not None
    except UserError:
        return True


def machine(card: str | None = None, driver: str | None = None, seconds: float = SECONDS_TO_ANSWER) -> Machine:
    """The cards and the driver that are named, and what is not named as it is here; UserError where that fails."""
    named = named_capabilities(card), named_driver(driver)
    if all(named):
        return Machine(*named)
    here = cards_here(seconds)
    if here is None:
        raise UserError(
            "nvidia-smi: expected an NVIDIA card in this machine, received none; name the card and the driver that the "
            "wheels are for (make CARD=8.6 DRIVER=535.54.03), or take the CPU (make EXTRA=cpu)"
        )
    return Machine(named[0] or here.capabilities, named[1] or here.driver)


def named_capabilities(text: str | None) -> tuple[Version, ...] | None:
    """Those of "8.6" or "6.1,8.6", None for none; UserError for anything else."""
    if text and not _CAPABILITIES.fullmatch(text):
        raise UserError(
            f"CARD: expected a compute capability such as 8.6, or several (6.1,8.6), received {printable(text, 50)!r}; "
            "NVIDIA lists those of its cards (https://developer.nvidia.com/cuda-gpus)"
        )
    return _kinds(text.split(",")) if text else None


def named_driver(text: str | None) -> Version | None:
    """The version in ``text``, None for none; UserError for what is none."""
    if text and not _DRIVER.fullmatch(text):
        raise UserError(f"DRIVER: expected a version such as 535.54.03, received {printable(text, 50)!r}")
    return _version(text) if text else None


def cards_here(seconds: float = SECONDS_TO_ANSWER) -> Machine | None:
    """What nvidia-smi tells, None without it or without a card; UserError for one that does not tell."""
    lines = ask_cards("compute_cap,driver_version", _LINE, "8.6, 535.54.03", seconds)
    return lines and Machine(_kinds(line[1] for line in lines), _version(lines[0][2]))


def ask_cards(fields: str, line: re.Pattern, example: str, seconds: float = SECONDS_TO_ANSWER) -> list[re.Match] | None:
    """What nvidia-smi tells of each card, as ``line`` reads it; None without it or without a card.

    UserError for one that does not tell: ``example`` is a line that was expected.
    """
    if shutil.which(_PROGRAM) is None:
        return None
    out, errors, status = _answer((_PROGRAM, f"--query-gpu={fields}", "--format=csv,noheader"), seconds)
    answer = out.strip() or errors.strip()
    if answer.startswith("No devices"):
        return None
    # of a card that it only warns of it tells everything else
    lines = [text.strip() for text in out.splitlines() if text.strip() and not text.startswith("WARNING: ")]
    matches = [line.fullmatch(text) for text in lines]
    if status or not matches or None in matches:
        raise UserError(
            f"nvidia-smi: expected a line such as '{example}' for each card, received {printable(answer, 150)!r} with "
            f"exit status {status}; {_MEND}"
        )
    return matches


def _answer(query: tuple[str, ...], seconds: float) -> tuple[str, str, int]:
    """What nvidia-smi prints to standard output and error, and its exit status."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "errors": "replace"}
    try:
        process = subprocess.Popen(query, **pipes)
        return *process.communicate(timeout=seconds), process.returncode
    except subprocess.TimeoutExpired:
        process.kill()  # and not waited for: one that the driver holds does not end
        raise UserError(f"nvidia-smi: expected an answer within {seconds:g} seconds, received none; {_MEND}") from None
    except OSError as error:
        raise UserError(f"nvidia-smi: expected it to start, received: {error.strerror}; {_MEND}") from error


def _kinds(texts: Iterable[str]) -> tuple[Version, ...]:
    return tuple(sorted(set(map(_version, texts))))


def _version(text: str) -> Version:
    return tuple(map(int, text.split(".")))
