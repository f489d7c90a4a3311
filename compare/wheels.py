"""Choose the frameworks' wheels for the cards of a machine: make calls this before anything is installed.

python compare/wheels.py table                                   which wheels there are, for which cards and drivers
python compare/wheels.py show --card 8.6 --driver 535.54.03      which of them a machine gets
python compare/wheels.py kind                                    what is installed here by itself: cpu or gpu
"""

import sys
from os.path import abspath, dirname

if __name__ == "__main__":
    sys.path.insert(0, dirname(dirname(abspath(__file__))))
    from shared.system.entry import end_in_order

    end_in_order()

import argparse
from collections.abc import Sequence
from pathlib import Path

from compare.installation.cards import has_nvidia_card
from compare.installation.cuda_links import make_links
from compare.installation.folder import fill, plans_of_folder
from compare.installation.plan import KINDS, Named, Plan, check_python, frameworks_of, plans, write_plan
from compare.installation.table import TABLE, TITLES, as_markdown
from shared.system.errors import UserError, exit_status
from shared.system.options import Parser


def build_parser() -> argparse.ArgumentParser:
    """The options of ``compare/wheels.py``."""
    parser = Parser(description=__doc__)
    add = parser.add_argument
    add("action", choices=_ACTIONS, metavar="ACTION", help=f"{', '.join(_ACTIONS)}; make calls the last three")
    add("--kind", choices=KINDS, default="gpu", help="what make installs: EXTRA")
    add("--card", metavar="N.N", help="compute capability of the card, or of several (6.1,8.6): CARD; default: as here")
    add("--driver", metavar="VERSION", help="of NVIDIA's driver: DRIVER; default: as here")
    for framework, title in TITLES.items():
        text = f"take {title} from this package index, whatever the card: {framework.upper()}_INDEX"
        add(f"--{framework}-index", metavar="ADDRESS", help=text)
    add("--wheels", type=Path, metavar="DIR", help="a folder of wheels to fill, or to install from: WHEELS")
    add("--framework", choices=tuple(TABLE), help="choose: whose requirements to write; default: check alone")
    add("--into", type=Path, metavar="ENV", help="choose, link: the virtual environment")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Do what the command line asks."""
    arguments = build_parser().parse_args(argv)
    _ACTIONS[arguments.action](arguments)


def _kind(_: argparse.Namespace) -> None:
    print("gpu" if has_nvidia_card() else "cpu")


def _table(_: argparse.Namespace) -> None:
    print("\n".join(as_markdown()))


def _show(arguments: argparse.Namespace) -> None:
    for plan in _plans(arguments):
        print(f"{TITLES[plan.framework]} {plan.words}")
    if not frameworks_of(arguments.kind):
        print("the registry's wheels of both frameworks, for the CPU")


def _choose(arguments: argparse.Namespace) -> None:
    environment = _named(arguments, "into")
    check_python(environment)
    for plan in _plans(arguments):
        if plan.framework == arguments.framework:
            print(f"{TITLES[plan.framework]} {plan.words}")
            write_plan(plan, environment, offline=bool(arguments.wheels))


def _fill(arguments: argparse.Namespace) -> None:
    fill(_named(arguments, "wheels"), arguments.kind, plans(arguments.kind, _of_user(arguments)))


def _link(arguments: argparse.Namespace) -> None:
    print(f"CUDA libraries linked: {len(make_links(_named(arguments, 'into')))}")


_ACTIONS = {"kind": _kind, "table": _table, "show": _show, "choose": _choose, "fill": _fill, "link": _link}


def _plans(arguments: argparse.Namespace) -> list[Plan]:
    if arguments.wheels:
        return plans_of_folder(arguments.wheels, arguments.kind, _of_user(arguments))
    return plans(arguments.kind, _of_user(arguments))


def _of_user(arguments: argparse.Namespace) -> Named:
    indexes = {framework: getattr(arguments, f"{framework}_index") for framework in TABLE}
    return Named(arguments.card, arguments.driver, indexes)


def _named(arguments: argparse.Namespace, option: str) -> Path:
    value = getattr(arguments, option)  # without what Python 3.7 cannot read: that is told which it has to be
    if value is None:
        raise UserError(f"{arguments.action}: expected --{option} beside it, received none")
    return value


if __name__ == "__main__":
    sys.exit(exit_status(main))
