"""``python -m torch_impl VERB``: train, encode, eval and the rest; the same options as ``python -m paddle_impl``."""

from importlib.util import find_spec
from pathlib import Path

if __name__ == "__main__":  # before imports that may fail, also where shared/system/entry.py did not start this
    from shared.system.start import begin

    begin()

from shared.training.job import Job
from shared.worker.cli import run_worker
from shared.worker.contract import Bench, Implementation
from shared.worker.probe import run_probes


def load() -> Implementation:
    """Import the framework and return what the verbs need of it."""
    from torch_impl import convert, device, encode, export, images, parallel, runtime

    if find_spec("lightning") is None:
        raise ImportError("No module named 'lightning'")
    runtime.configure()
    parts = (runtime, parallel, convert, images.DeviceImages, encode, export)
    return Implementation(*parts, fit, probe, bench, device)


def fit(job: Job) -> None:
    """Train; imported only here, because Lightning takes seconds."""
    from torch_impl.lit import fit

    fit(job)


def probe(files: list[Path], out: Path, device: str) -> None:
    """Answer the alignment ladder's requests."""
    from torch_impl.injected_faults import inject
    from torch_impl.probe import Side

    run_probes(files, out, lambda recipe, dtype: Side(recipe, dtype, device), inject)


def bench(job: Job) -> Bench:
    """What ``compare/throughput.py`` times."""
    from torch_impl.bench import Bench

    return Bench(job)


if __name__ == "__main__":
    run_worker("torch_impl", "PyTorch Lightning", load)
