"""The content of a report, as variables of the template."""

from compare.frameworks.records import FRAMEWORKS, all_of, pairs, run_order, titles
from compare.page import curves
from compare.page import more_figures as more
from compare.page.code_metrics import metrics_by_length
from compare.page.codes import LengthMetrics
from compare.page.curves import Picture
from compare.page.data import RunData, SuiteData
from compare.page.differences import differences
from compare.page.figures import house_style
from compare.page.grid import class_names_of, retrieval_grid
from compare.page.rerun import rerun_command
from compare.page.rounding import rounding_picture
from compare.page.verdict import gather_evidence, verdict
from compare.tables.published_text import PUBLISHED_TITLE
from compare.tables.studies_text import noise_title
from shared.scoring.code_quality import QUANTIZATION_RULE

# settings that are paths of the machine it ran on
_MACHINE_PATHS = ("command", "data")
# over a column of the codes' table, the value of CodeQuality, and its form
_QUALITY_COLUMNS = (
    ("different codes", "distinct", "%d"),
    ("distance within classes", "within", "%.2f"),
    ("distance between classes", "between", "%.2f"),
    ("quantization error", "quantization_error", "%.3f"),
)
_RANKING = (curves.precision_recall, curves.precision_at)


@house_style()
def content(suite_data: SuiteData) -> dict:
    """Every variable of the template."""
    by_length = metrics_by_length(suite_data)
    speed = more.throughput_rows(suite_data)
    coded = {bits: metrics for bits, metrics in by_length.items() if metrics.of}
    return {
        "verdict": verdict(gather_evidence(suite_data)),
        "suite_data": suite_data,
        "agreement": suite_data.table and suite_data.table.get("agreement"),
        "recipe": suite_data.recipe,
        "frameworks": FRAMEWORKS,
        "frameworks_named": titles(run_order()),
        "all_of_them": all_of(),
        "noise_title": noise_title(),
        "published_title": PUBLISHED_TITLE,
        "unfinished": [run_data for run_data in suite_data.runs if not run_data.result],
        "map_picture": curves.map_by_length(suite_data) if suite_data.finished else None,
        "differences": [picture for pair in pairs() if (picture := differences(suite_data, pair))],
        "training": curves.training(suite_data),
        "retrieval": [draw(suite_data, bits, metrics) for draw in _RANKING for bits, metrics in by_length.items()],
        "ladder": more.ladder(suite_data.align) if suite_data.align else None,
        "growth": more.growth(suite_data.align) if suite_data.align and more.growth_points(suite_data.align) else None,
        "growth_points": more.growth_points(suite_data.align) if suite_data.align else [],
        "speed": speed,
        "speed_picture": more.throughput(speed) if speed else None,
        "grid": retrieval_grid(suite_data, coded),
        "code_metrics": coded,
        "quality_columns": _QUALITY_COLUMNS,
        "quantization_rule": QUANTIZATION_RULE,
        "code_pictures": _code_pictures(suite_data, coded),
        "environments": _environments(suite_data),
        "rounding": [(study, rounding_picture(study)) for study in _rounding(suite_data)],
        "commands": [(run_data.cell.describe(), _command(run_data)) for run_data in suite_data.runs if run_data.recipe],
    }


def _rounding(suite_data: SuiteData) -> list[dict]:
    return (suite_data.table or {}).get("rounding", [])


def _code_pictures(suite_data: SuiteData, coded: dict[int, LengthMetrics]) -> list[Picture]:
    """Picture by picture, length by length; what an older version did not save is left out."""
    names = class_names_of(suite_data.recipe) if suite_data.recipe else {}
    pictures = [
        *(draw(bits, metrics.of) for draw in (more.balance, more.correlation) for bits, metrics in coded.items()),
        *(more.codes_by_class(bits, metrics.of, names) for bits, metrics in coded.items()),
    ]
    return [picture for picture in pictures if picture]


def _environments(suite_data: SuiteData) -> dict[str, dict[str, str]]:
    """Setting -> framework -> its value, or all its values where the runs differ."""
    table: dict[str, dict[str, list[str]]] = {}
    for run_data in suite_data.runs:
        for name, value in _flat(run_data.environment or {}).items():
            table.setdefault(name, {}).setdefault(run_data.cell.framework, []).append(value)
    return {name: {side: "; ".join(dict.fromkeys(table[name][side])) for side in table[name]} for name in sorted(table)}


def _flat(environment: dict, prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in environment.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}: ")
        elif name not in _MACHINE_PATHS:
            flat[prefix + name] = _plain(value)
    return flat


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else "-" if value is None else str(value)


def _command(run_data: RunData) -> str:
    return rerun_command(run_data.recipe, run_data.cell.framework, run_data.environment or {})
