"""SIGTERM, SIGHUP and Ctrl-C end a command by way of what tidies up, and a server as if it had been asked to."""

import signal
import subprocess
import sys

import numpy as np
import pytest

from shared.codes.codes import Codes, encoded_index
from shared.data import cifar
from shared.training.runs import run_of
from tests import helpers
from tests.fakes import interpreter
from tests.rows import finish

# whoever started the tests may ignore signals, as nohup does
COMMAND = """
import signal, sys, time
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
from shared.system.entry import end_in_order
end_in_order()
from shared.system.errors import exit_status
def main():
    try:
        print("begun", flush=True)
        time.sleep(100)
    finally:
        print("tidied up", flush=True)
sys.exit(exit_status(main))
"""


def ended(words, begun, number):
    """Exit status, output and errors of a process that gets a signal once ``begun(process)`` comes back."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": helpers.PROJECT_ROOT}
    environment = helpers.ENVIRONMENT | {"PYTHONPATH": str(helpers.PROJECT_ROOT)}
    process = subprocess.Popen([sys.executable, *map(str, words)], env=environment, **pipes)
    try:
        begun(process)
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    return process.returncode, output, errors


@pytest.mark.parametrize(
    ("number", "status", "told"),
    [
        (signal.SIGTERM, 143, ""),
        (signal.SIGHUP, 129, ""),
        (signal.SIGINT, 130, "interrupted: everything finished so far is kept; the same command goes on from there\n"),
    ],
)
def test_a_signal_ends_a_command_by_way_of_what_tidies_up(number, status, told):
    def begun(process):
        assert process.stdout.readline() == "begun\n"

    assert ended(["-c", COMMAND], begun, number) == (status, "tidied up\n", told)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_well_while_its_worker_starts(number, tmp_path):
    out, recipe, images = tmp_path / "out", helpers.small_recipe(), cifar.load(cifar.DIGITS)
    finish(out, recipe, "torch", 0.5, data_sha256=recipe.data_sha256, split_sha256=recipe.split_sha256)
    split = cifar.split(images.labels, recipe.protocol, recipe.seed)
    hash_logits = np.random.RandomState(0).standard_normal((len(encoded_index(split)), 12)).astype(np.float32)
    codes = Codes.from_hash_logits(hash_logits, np.zeros(len(hash_logits), np.int64), images, split)
    codes.save(run_of(out, "torch", recipe.bits, recipe.seed).codes_file)
    python = interpreter(tmp_path, f"touch {tmp_path}/started; exec cat")  # which ends with its standard input
    words = ["compare/serve.py", out, "--data", "digits", "--port", "0", "--torch-python", python]

    def begun(_):
        helpers.wait_until((tmp_path / "started").exists)

    assert ended(words, begun, number) == (0, "", "")
