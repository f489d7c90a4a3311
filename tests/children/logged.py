"""Prints what a log for TensorBoard or VisualDL holds, as that program reads it: JSON {tag: [[step, value], ...]}."""

import json
import sys


def tensorboard(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = EventAccumulator(folder).Reload()
    return {tag: [[event.step, event.value] for event in log.Scalars(tag)] for tag in log.Tags()["scalars"]}


def visualdl(folder):
    from visualdl import LogReader

    log = LogReader(file_path=f"{folder}/vdlrecords.run.log")
    return {tag: [[point.id, point.value] for point in log.get_data("scalar", tag)] for tag in log.get_tags()["scalar"]}


if __name__ == "__main__":
    print(json.dumps({"tensorboard": tensorboard, "visualdl": visualdl}[sys.argv[1]](sys.argv[2])))
