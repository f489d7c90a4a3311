"""One kind of device for all frameworks of a suite: by itself, by name, and beside runs that are there."""

import pytest

from compare.suite.devices import check_begun, choose_devices, choose_preset
from shared.config.recipe import PRESETS
from shared.system.errors import UserError
from shared.system.files import write_json
from shared.training.runs import run_of
from tests.fakes import NO_CARD, WITH_CARD

BROKEN = {**NO_CARD, "gpu_problem": "a convolution on it fails: no kernel image", "gpu_found": True}


@pytest.mark.parametrize(
    ("torch", "paddle", "choice", "expected"),
    [
        (NO_CARD, NO_CARD, "auto", "cpu"),
        (WITH_CARD, WITH_CARD, "auto", "cuda"),
        (WITH_CARD, WITH_CARD, "cuda", "cuda"),
        (WITH_CARD, WITH_CARD, "cpu", "cpu"),
        (WITH_CARD, NO_CARD, "cpu", "cpu"),
        (BROKEN, BROKEN, "cpu", "cpu"),
    ],
)
def test_all_frameworks_take_one_kind(torch, paddle, choice, expected):
    assert choose_devices({"torch": torch, "paddle": paddle}, choice) == {"torch": expected, "paddle": expected}
    assert choose_devices({"torch": torch}, choice) == {"torch": expected}


@pytest.mark.parametrize(
    ("torch", "paddle", "choice", "message"),
    [
        (
            WITH_CARD,
            NO_CARD,
            "auto",
            "--device auto: expected one kind of device for both frameworks, but PyTorch Lightning can use the GPU and "
            "PaddlePaddle cannot (built for the CPU); choose --device cpu, or --frameworks torch",
        ),
        (BROKEN, WITH_CARD, "auto", "but PaddlePaddle can use the GPU and PyTorch Lightning cannot (a convolution on"),
        (
            BROKEN,
            BROKEN,
            "auto",
            "PyTorch Lightning cannot use the GPU: a convolution on it fails: no kernel image; use",
        ),
        (NO_CARD, BROKEN, "auto", "PaddlePaddle cannot use the GPU: a convolution on it fails: no kernel image; use"),
        (
            WITH_CARD,
            NO_CARD,
            "cuda",
            "--device cuda: expected an NVIDIA GPU that PaddlePaddle can use, found none (built for the CPU); use",
        ),
        (
            BROKEN,
            WITH_CARD,
            "cuda",
            "that PyTorch Lightning can use, found none (a convolution on it fails: no kernel image); use --device "
            "cpu, or --frameworks paddle",
        ),
        (BROKEN, BROKEN, "cuda", "(a convolution on it fails: no kernel image); use --device cpu"),
    ],
)
def test_what_one_cannot_use_is_said_in_a_line(torch, paddle, choice, message):
    with pytest.raises(UserError) as caught:
        choose_devices({"torch": torch, "paddle": paddle}, choice)
    (line,) = str(caught.value).splitlines()
    assert message in line


def test_a_suite_that_was_begun_elsewhere_is_not_continued_unasked(tmp_path):
    run = run_of(tmp_path, "torch", 12, 2000)
    run.prepare(PRESETS["demo"])
    check_begun(tmp_path, {"paddle": "cpu"})  # it has not started
    write_json(run.environment_file, {"device": "cuda"})
    check_begun(tmp_path, {"paddle": "cuda"})
    with pytest.raises(UserError, match="was made on the GPU, and PaddlePaddle would now compute on the CPU; choose"):
        check_begun(tmp_path, {"paddle": "cpu"})
    write_json(run.environment_file, {"threads": 1})  # an old one does not say
    check_begun(tmp_path, {"paddle": "cpu"})


def test_the_preset_follows_the_device_and_not_the_card():
    assert choose_preset("auto", {"torch": "cuda"}, "auto")[0] == "paper"
    assert choose_preset("auto", {"torch": "cpu"}, "auto") == ("demo", ", chosen because no framework sees a GPU")
    assert choose_preset("auto", {"torch": "cpu"}, "cpu") == ("demo", ", chosen because of --device cpu")
    assert choose_preset("cpu", {"torch": "cuda"}, "auto") == ("cpu", "")
