"""Whether a suite's table and report still show what lies in its folder."""

from pathlib import Path

from shared.system.files import PROJECT_ROOT

REPORT_FILE = "report.html"
_SHOWN = ("table.md", "table.csv", "table.json", REPORT_FILE)
# of a suite, its studies and their runs
_SOURCES = ("suite.json", "align*.json", "throughput.json", "recipe.json", "environment.json", "log.jsonl")
_SOURCES += ("result.json", "queries.csv", "codes.npz")


def is_up_to_date(out: Path) -> bool:
    """Whether table and report are there, and newer than everything they are made of, this program too."""
    shown = [out / name for name in _SHOWN]
    if not all(file.exists() for file in shown):
        return False
    modules = [file for folder in ("compare", "shared") for file in (PROJECT_ROOT / folder).rglob("*.py")]
    templates = (PROJECT_ROOT / "compare").rglob("templates/*")
    sources = (file for pattern in _SOURCES for file in out.rglob(pattern))
    return max(map(_changed, (*modules, *templates, *sources))) <= min(map(_changed, shown))


def _changed(file: Path) -> int:
    return file.stat().st_mtime_ns
