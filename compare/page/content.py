"""What stands in a report, as the template takes it."""

from compare.frameworks.records import FRAMEWORKS, all_of, pairs, run_order, titles
from compare.page import curves
from compare.page import more_figures as more
from compare.page.code_facts import facts_by_length
from compare.page.data import RunData, SuiteData
from compare.page.differences import differences
from compare.page.figures import house_style
from compare.page.grid import retrieval_grid
from compare.page.rerun import rerun_command
from compare.page.verdict import gather_evidence, verdict
from compare.tables.studies_text import noise_title
from compare.tables.table_text import PUBLISHED_TITLE

# paths of the machine it ran on
_OF_ITS_OWNER = ("command", "data")
_RANKING = (curves.precision_recall, curves.precision_at)


@house_style()
def content(suite_data: SuiteData) -> dict:
    """Every name that the template uses."""
    by_length = facts_by_length(suite_data)
    speed = more.throughput_rows(suite_data)
    coded = {bits: facts for bits, facts in by_length.items() if facts.of}
    return {
        "verdict": verdict(gather_evidence(suite_data)),
        "suite_data": suite_data,
        "recipe": suite_data.recipe,
        "frameworks": FRAMEWORKS,
        "frameworks_named": titles(run_order()),
        "all_of_them": all_of(),
        "noise_title": noise_title(),
        "published_title": PUBLISHED_TITLE,
        "unfinished": [member for member in suite_data.members if not member.result],
        "map_picture": curves.map_by_length(suite_data) if suite_data.finished else None,
        "differences": [picture for pair in pairs() if (picture := differences(suite_data, pair))],
        "training": curves.training(suite_data),
        "retrieval": [draw(suite_data, bits, own) for draw in _RANKING for bits, own in by_length.items()],
        "ladder": more.ladder(suite_data.align) if suite_data.align else None,
        "growth": more.growth(suite_data.align) if suite_data.align and more.growth_points(suite_data.align) else None,
        "growth_points": more.growth_points(suite_data.align) if suite_data.align else [],
        "speed": speed,
        "speed_picture": more.throughput(speed) if speed else None,
        "grid": retrieval_grid(suite_data, coded),
        "facts": coded,
        "code_pictures": [
            draw(bits, own.of) for draw in (more.balance, more.correlation) for bits, own in coded.items()
        ],
        "environments": _environments(suite_data),
        "commands": [(member.cell.describe(), _command(member)) for member in suite_data.members if member.recipe],
    }


def _environments(suite_data: SuiteData) -> dict[str, dict[str, str]]:
    """Fact -> framework -> its value, or all its values where the runs differ."""
    table: dict[str, dict[str, list[str]]] = {}
    for member in suite_data.members:
        for name, value in _flat(member.environment or {}).items():
            table.setdefault(name, {}).setdefault(member.cell.framework, []).append(value)
    return {name: {side: "; ".join(dict.fromkeys(table[name][side])) for side in table[name]} for name in sorted(table)}


def _flat(environment: dict, prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in environment.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}: ")
        elif name not in _OF_ITS_OWNER:
            flat[prefix + name] = _plain(value)
    return flat


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else "-" if value is None else str(value)


def _command(member: RunData) -> str:
    return rerun_command(member.recipe, member.cell.framework, member.environment or {})
