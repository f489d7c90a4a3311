"""VisualDL's log of a run, by its own writer."""

from collections.abc import Mapping

from shared.training.job import Job, scalars_of


class _RunWriter:
    """Writes the numbers of every epoch's record, at its epoch."""

    def __init__(self, folder: str) -> None:
        from visualdl import LogWriter  # an extra

        # one file of this name, which a process that goes on continues
        self._writer = LogWriter(logdir=folder, file_name="vdlrecords.run.log")

    def write(self, record: Mapping[str, object]) -> None:
        for name, value in scalars_of(record).items():
            self._writer.add_scalar(tag=name, value=value, step=record["epoch"])

    def close(self) -> None:
        self._writer.close()


def make_logger(job: Job) -> _RunWriter | None:
    """What writes into the run's folder; None unless the job asks for it, and on all ranks but the first."""
    return _RunWriter(str(job.run.logs_of(job.logger))) if job.logger and job.ranks.is_first else None
