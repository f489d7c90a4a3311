"""TensorBoard's log of a run, by Lightning's own logger."""

from lightning.pytorch.loggers import TensorBoardLogger

from shared.training.job import Job


def make_logger(job: Job, done: int) -> TensorBoardLogger | None:
    """What writes into the run's folder after ``done`` epochs; None unless the job asks for it.

    What a process that was killed wrote of later epochs is purged.
    """
    if job.logger is None:
        return None
    return TensorBoardLogger(job.run.logs_of(job.logger), name="", version="", purge_step=done + 1)
