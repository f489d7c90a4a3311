"""``compare/doctor.py`` on machines with and without cards, with frameworks that can use them and such that cannot."""

import json
import os
import re

import pytest

from compare import doctor
from compare.diagnosis.gpus import runs
from compare.diagnosis.machine import look_at_disk
from shared.config.recipe import PRESETS
from shared.system import machine
from tests.data.drawn import list_files, picture
from tests.fakes import CARD, ENCODE, ENCODER, NO_CARD, STEP, WITH_CARD, framework_that_says

A10 = "NVIDIA A10, 8.6, 535.54.03, 23028 MiB, 22500 MiB"
SMI = """case "$*" in
*query-gpu=name,*) cat "{folder}/said";;
*query-gpu=compute_cap,*) sed 's/^[^,]*, //; s/, [0-9]* MiB.*//' "{folder}/said";;
*) exit 99;; esac
exit {status}"""


@pytest.fixture
def examined(tmp_path, capsys, monkeypatch):
    """Calls doctor.py where nvidia-smi says so (None: there is none); subject -> finding, and the exit status."""
    monkeypatch.setenv("GREEDYHASH_CACHE", str(tmp_path / "cache"))

    def call(*words, smi=None, smi_status=0, torch=NO_CARD, paddle=NO_CARD, **of_torch):
        if smi is not None:
            folder = tmp_path / "bin"
            folder.mkdir(exist_ok=True)
            (folder / "said").write_text(smi + "\n")
            (folder / "nvidia-smi").write_text("#!/bin/sh\n" + SMI.format(folder=folder, status=smi_status) + "\n")
            (folder / "nvidia-smi").chmod(0o755)
            monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        pythons = {"paddle": paddle if isinstance(paddle, str) else framework_that_says(tmp_path / "paddle", paddle)}
        pythons["torch"] = framework_that_says(tmp_path / "torch", torch, **of_torch)
        named = [word for name, python in pythons.items() for word in (f"--{name}-python", python)]
        capsys.readouterr()
        status = 0
        try:
            doctor.main(["--json", "--out", str(tmp_path / "out"), *words, *named])
        except SystemExit as end:
            status = end.code
        answer = json.loads(capsys.readouterr().out)
        assert answer["fault"] == (status == 1)
        assert all(each["remedy"] for each in answer["findings"] if each["level"] != "ok")
        found = {each["subject"]: each for each in answer["findings"]}
        assert len(found) == len(answer["findings"])
        assert not (tmp_path / "out").exists()
        return found, status

    return call


def levels(found):
    return {subject: finding["level"] for subject, finding in found.items() if finding["level"] != "ok"}


def test_without_a_card_everything_is_well_on_the_cpu(examined):
    found, status = examined()
    assert (levels(found), status) == ({}, 0)
    assert "no NVIDIA card" in found["cards"]["text"]
    assert "--preset demo, chosen because no framework sees a GPU" in found["plan"]["text"]
    assert "Python 3.11.7, a-framework 1.0" in found["PyTorch Lightning"]["text"]
    assert "1797 images of digits" in found["data"]["text"]
    a_run = 15 * 32 * STEP + ENCODER + 5 * 15 * ENCODE
    assert f"for 4 lengths (PaddlePaddle {int(4 * a_run) // 60} min" in found["forecast"]["text"]


def test_with_a_card_that_both_use(examined):
    found, status = examined(smi=A10, torch=WITH_CARD, paddle={**WITH_CARD, "code": None})
    # what is not here yet is downloaded
    assert (levels(found), status) == ({"data": "warning", "weights": "warning"}, 0)
    assert found["card 0"]["text"].startswith("NVIDIA A10, compute capability 8.6, driver 535.54.03, 22500 of 23028")
    assert "agree with the CPU's" in found["PyTorch Lightning, GPU"]["text"]
    assert found["PyTorch Lightning, code"]["text"] == "sm_80, sm_86; the card has compute capability 8.6"
    assert "PaddlePaddle, code" not in found  # it does not say
    assert found["PaddlePaddle, cuDNN"]["text"] == "91900"
    assert "off in fp32: NVIDIA_TF32_OVERRIDE=0, cudnn.allow_tf32 False" in found["PyTorch Lightning, TF32"]["text"]
    assert "--preset paper, chosen because a framework sees a GPU: PaddlePaddle on cuda" in found["plan"]["text"]
    assert found["forecast"]["text"].startswith("about ")


DRIVER = {**NO_CARD, "gpu_problem": "PaddlePaddle 3.3.1, built for CUDA 12.6, finds no card", "code": None}
KERNEL = {**WITH_CARD, "gpu": False, "gpus": 0, "gpu_problem": "no kernel image is available", "code": ["sm_90"]}


@pytest.mark.parametrize(
    ("torch", "paddle", "expected"),
    [
        (WITH_CARD, DRIVER, {"PaddlePaddle, GPU": "fault", "device": "fault"}),
        (WITH_CARD, NO_CARD, {"PaddlePaddle, GPU": "warning", "device": "fault"}),
        (NO_CARD, NO_CARD, {"PaddlePaddle, GPU": "warning", "PyTorch Lightning, GPU": "warning"}),
        (
            KERNEL,
            WITH_CARD,
            {"PyTorch Lightning, GPU": "fault", "PyTorch Lightning, code": "fault", "device": "fault"},
        ),
        ({**WITH_CARD, "cudnn": None}, WITH_CARD, {"PyTorch Lightning, cuDNN": "fault"}),
    ],
    ids=["driver", "CPU build", "two CPU builds", "no kernel", "no cuDNN"],
)
def test_what_does_not_go_with_the_card(examined, torch, paddle, expected):
    found, status = examined("--backbone-weights", "none", smi=A10, torch=torch, paddle=paddle)
    downloads = {"data": "warning"} if "device" not in found and torch["gpu"] else {}
    assert levels(found) == expected | downloads
    assert status == (1 if "fault" in expected.values() else 0)
    for subject in expected:
        assert "expected one kind of device" in found[subject]["text"] or subject != "device"
    assert ("forecast" in found) == (status == 0)
    found, status = examined("--device", "cpu", smi=A10, torch=torch, paddle=paddle)
    assert (levels(found), status) == ({}, 0)
    if torch is WITH_CARD:
        found, status = examined("--frameworks", "torch", "--backbone-weights", "none", smi=A10, torch=torch)
        assert (levels(found), status) == ({"data": "warning"}, 0)
        assert found["plan"]["text"].endswith(": PyTorch Lightning on cuda")


def test_tf32_that_is_on_is_a_fault(examined):
    found, _ = examined(smi=A10, torch=WITH_CARD, paddle=WITH_CARD, switches={"cudnn.allow_tf32": True})
    assert found["PyTorch Lightning, TF32"]["level"] == "fault"
    found, _ = examined(smi=A10, torch=WITH_CARD, paddle=WITH_CARD, override="1")
    assert found["PyTorch Lightning, TF32"]["level"] == "fault"


def test_two_cards_and_little_memory(examined):
    smi = f"{A10}\nTesla P40, 6.1, 535.54.03, 24576 MiB, 100 MiB\nNVIDIA GB10, 8.6, 580.95.05, [N/A], [N/A]"
    both = {**WITH_CARD, "cards": [CARD, {**CARD, "name": "Tesla P40", "capability": "6.1"}]}
    found, status = examined(smi=smi, torch=both, paddle=WITH_CARD)
    assert found["card 0"]["level"] == "ok"
    assert found["card 1"]["level"] == "warning"
    assert "100 of 24576 MiB free" in found["card 1"]["text"]
    assert found["card 2"]["level"] == "ok"
    assert found["card 2"]["text"].endswith("free memory not told")
    assert found["PyTorch Lightning, code 6.1"]["level"] == "fault"
    assert found["PyTorch Lightning, code 8.6"]["level"] == "ok"
    assert status == 1


@pytest.mark.parametrize(
    ("said", "smi_status"),
    [("Failed to initialize NVML: Driver/library version mismatch", 18), ("NVIDIA A10, 8.6", 0), ("", 9)],
)
def test_a_driver_that_does_not_answer_is_a_fault(examined, said, smi_status):
    found, status = examined(smi=said, smi_status=smi_status)
    assert found["driver"]["level"] == "fault"
    assert "nvidia-smi: expected a line such as 'NVIDIA A10, 8.6" in found["driver"]["text"]
    assert status == 1


def test_one_framework_is_enough_and_none_is_not(examined, tmp_path, monkeypatch, capsys):
    found, _ = examined(paddle="/nonexistent")
    assert found["PaddlePaddle"]["level"] == "fault"  # it was named
    monkeypatch.setenv("GREEDYHASH_PADDLE_PYTHON", "")
    monkeypatch.setattr("sys.executable", "/nonexistent")
    torch = framework_that_says(tmp_path / "torch")
    capsys.readouterr()
    doctor.main(["--json", "--torch-python", torch, "--out", str(tmp_path / "out")])
    found = {each["subject"]: each for each in json.loads(capsys.readouterr().out)["findings"]}
    assert levels(found) == {"PaddlePaddle": "warning"}
    assert "PaddlePaddle" not in found["plan"]["text"]
    monkeypatch.setenv("GREEDYHASH_TORCH_PYTHON", "")
    with pytest.raises(SystemExit) as end:
        doctor.main(["--out", str(tmp_path / "out")])
    assert end.value.code == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == ["fault   PaddlePaddle", "fault   PyTorch Lightning"]
    assert lines[-1].endswith("2 faults")


def test_memory_disk_data_and_weights(examined, tmp_path, monkeypatch, fake_cifar):
    bad = tmp_path / "weights.safetensors"
    bad.write_bytes(b"nothing")
    options = ("--preset", "cpu", "--data", str(fake_cifar[0]))
    found, _ = examined(*options, "--backbone-weights", str(bad))
    assert found["data"]["text"].startswith("60000 images of custom")
    assert levels(found) == {"weights": "fault"}
    found, _ = examined(*options[:2], "--data", str(tmp_path / "none"), "--backbone-weights", "none")
    assert levels(found) == {"data": "fault"}
    assert "no such data" in found["data"]["text"]
    monkeypatch.setattr("compare.diagnosis.machine.free_memory_bytes", lambda: 2**20)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 2**20}))
    found, _ = examined(*options, "--backbone-weights", "none")
    assert levels(found) == {"memory": "fault", "disk": "fault"}
    assert re.fullmatch(r"1 MiB free, \d+ threads?; training takes \d+ MiB or more", found["memory"]["text"])
    assert re.fullmatch(r"expected .* GiB free for .*out, found 1 MiB", found["disk"]["text"])


def test_a_split_that_misleads_is_a_warning(examined, tmp_path):
    listed = list_files(tmp_path)
    lines = (listed / "database.txt").read_text().splitlines(keepends=True)
    (listed / "database.txt").write_text("".join(line for line in lines if not line.startswith("c2/")))
    for name in ("0.png", "1.png"):
        picture(tmp_path / "c1" / name, seed=77)
    found, status = examined("--preset", "demo", "--data", str(listed), "--backbone-weights", "none")
    assert (found["data"]["level"], status) == ("warning", 0)
    assert "1 of 3 queries are of a class of which the database has no image: they count as 0" in found["data"]["text"]
    assert "the split leaks: 1 of 3 queries are, pixel by pixel, images" in found["data"]["text"]


def test_folders_that_cannot_be_written_are_faults(examined, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("GREEDYHASH_CACHE", str(tmp_path / "file" / "cache"))
    found, status = examined("--preset", "cpu")
    assert (levels(found), status) == ({"data": "fault", "weights": "fault"}, 1)
    assert "CIFAR-10 is to be downloaded into" in found["data"]["text"]
    assert "cannot write to the folder" in found["data"]["text"]
    found = look_at_disk(PRESETS["demo"], tmp_path / "file", 1, 1)
    assert (found.level, "a file stands where a folder is expected" in found.text) == ("fault", True)


def test_free_memory_is_less_than_all():
    assert 0 < machine.free_memory_bytes() < machine.memory_bytes()


@pytest.mark.parametrize(
    ("architectures", "capability", "expected"),
    [
        (["sm_75", "sm_86"], "8.6", True),
        (["sm_75", "sm_86"], "8.9", True),
        (["sm_75", "sm_86"], "8.0", False),
        (["sm_75", "sm_86"], "9.0", False),
        (["sm_75", "compute_86"], "9.0", True),
        (["sm_90", "sm_120"], "12.0", True),
        (["sm_90", "sm_100"], "12.0", False),
        (["sm_90a"], "9.0", True),
    ],
)
def test_code_for_a_card(architectures, capability, expected):
    assert runs(architectures, capability) == expected
