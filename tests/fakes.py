"""Doubles that several tests take: an interpreter, a progress display, and a further framework."""

import json

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


CARD = {"name": "NVIDIA A10", "capability": "8.6", "bytes": 23 * 2**30}
NO_CARD = {
    "gpu": False,
    "gpu_found": False,
    "gpus": 0,
    "gpu_problem": "built for the CPU",
    "cards": [],
    "cudnn": None,
    "code": [],
}
WITH_CARD = {
    "gpu": True,
    "gpu_found": True,
    "gpus": 1,
    "gpu_problem": "",
    "cards": [CARD],
    "cudnn": 91900,
    "code": ["sm_80", "sm_86"],
}
# seconds of a training step, of making the encoder, and of encoding a batch
STEP, ENCODER, ENCODE = 0.25, 1.0, 0.5
_ANSWERS = """info) cat "{folder}/info.json";;
bench) echo '{{"device": "{device}"}}'; while read phase; do case "$phase" in
step) echo '{{"step": {step}}}';; encode) echo '{{"encoder": {encoder}, "encode": {encode}}}';; esac; done;;"""


def framework_that_says(folder, information=NO_CARD, switches=None, override="0", device="cpu"):
    """An interpreter whose worker answers ``info`` so, ``bench`` on ``device`` with fixed seconds, and nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = {
        "python": "3.11.7",
        "packages": {"a-framework": "1.0"},
        "precision": switches or {"cudnn.allow_tf32": False},
        "variables": {"NVIDIA_TF32_OVERRIDE": override},
    }
    (folder / "info.json").write_text(json.dumps({**information, "environment": environment}) + "\n")
    answers = _ANSWERS.format(folder=folder, device=device, step=STEP, encoder=ENCODER, encode=ENCODE)
    return str(interpreter(folder, f'case "$3" in\n{answers}\n*) exit 7;; esac'))
