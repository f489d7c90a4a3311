"""Doubles that several tests take: an interpreter, a progress display, and a further framework."""

from compare.frameworks.records import Framework
from shared.system.progress import Progress

NUMPY = Framework(
    key="numpy",
    title="NumPy",
    short="NumPy",
    module="tests.children.numpy_worker",
    checkpoint_suffix=".safetensors",
    colour="green",
    line={"ls": ":", "marker": "^", "lw": 1.5, "ms": 5},
    line_description="thin and dotted",
    hatch="...",
)


class KeptProgress(Progress):
    """Keeps what it is told: ``notes``, those among them that are ``details``, and ``updates`` of a phase."""

    def __init__(self):
        super().__init__()
        self.notes, self.details, self.updates = [], [], []

    def note(self, text, detail=False):
        self.notes.append(text)
        if detail:
            self.details.append(text)

    def _show(self, phase, done, total, metrics):
        self.updates.append((phase, done, total, metrics))


def interpreter(folder, script, shell="/bin/sh"):
    """A program in ``folder`` in place of a Python interpreter: its path."""
    file = folder / "python"
    file.write_text(f"#!{shell}\n{script}\n")
    file.chmod(0o755)
    return file
