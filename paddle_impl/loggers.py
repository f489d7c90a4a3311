"""VisualDL's log of a run, by its own writer."""

from collections.abc import Mapping
from pathlib import Path

from shared.system.files import remove
from shared.training.job import Job, scalars_of


class _RunWriter:
    """Writes the numbers of every epoch's record, at its epoch."""

    def __init__(self, folder: Path, records: list[dict]) -> None:
        from visualdl import LogWriter  # an extra

        # written anew from what is logged so far: of a process that was killed a part may be missing, or too much
        remove(folder)
        self._writer = LogWriter(logdir=str(folder), file_name="vdlrecords.run.log")
        for record in records:
            self.write(record)

    def write(self, record: Mapping[str, object]) -> None:
        for name, value in scalars_of(record).items():
            self._writer.add_scalar(tag=name, value=value, step=record["epoch"])
        self._writer.flush()  # else two minutes later, and not at all by a process that is killed

    def close(self) -> None:
        self._writer.close()


def make_logger(job: Job) -> _RunWriter | None:
    """What writes into the run's folder; None unless the job asks for it, and on all ranks but the first."""
    return _RunWriter(job.run.logs_of(job.logger), job.run.log()) if job.logger and job.ranks.is_first else None
