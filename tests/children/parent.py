"""parent HOW LOG: starts the sleeper the way that a verb is started, and waits for it."""

import dataclasses
import sys
from pathlib import Path

from compare.frameworks import worker
from compare.frameworks.records import FRAMEWORKS
from shared.system.errors import exit_status
from shared.system.progress import Progress

how, log = sys.argv[1:]
FRAMEWORKS["torch"] = dataclasses.replace(FRAMEWORKS["torch"], module="tests.children.sleeper")
started = worker.Worker("torch")
WAYS = {
    "run": lambda: started.run([], Path(log), Progress()),
    "output": lambda: started.output_of_verb("info"),
    "writer": lambda: started.output_of("tests.children.sleeper"),
    "dialogue": lambda: started.dialogue([]).ask("question"),
    "side by side": lambda: worker.side_by_side([started.info, started.info]),
}
sys.exit(exit_status(WAYS[how]))
