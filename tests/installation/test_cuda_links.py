"""CUDA's libraries under the names that Paddle 2 looks for, and the interpreters that are started with them."""

import os
import sys

import pytest

from compare.frameworks.worker import Worker
from compare.installation.cuda_links import library_path, make_links
from tests.fakes import interpreter

LIBRARIES = {
    "cudnn": ["libcudnn.so.8", "libcudnn_ops_infer.so.8"],
    "cuda_nvrtc": ["libnvrtc.so.11.2", "libnvrtc-builtins.so.11.8"],
    "nccl": ["libnccl.so.2"],
    "cublas": ["libcublas.so.11", "notes.txt"],
}


@pytest.fixture
def environment(tmp_path):
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    for name, files in LIBRARIES.items():
        folder = packages / "nvidia" / name / "lib"
        folder.mkdir(parents=True)
        for file in files:
            (folder / file).write_text(file)
    (packages / "paddlepaddle_gpu-2.6.2.dist-info").mkdir()
    return tmp_path


def test_every_library_has_both_names(environment):
    libraries = {file for files in LIBRARIES.values() for file in files if file != "notes.txt"}
    bare = {"libcudnn.so", "libcudnn_ops_infer.so", "libnvrtc.so", "libnvrtc-builtins.so", "libnccl.so", "libcublas.so"}
    assert set(make_links(environment)) == libraries | bare
    folder = environment / "lib" / "cuda-links"
    assert {file.name for file in folder.iterdir()} == libraries | bare
    assert (folder / "libnvrtc.so").read_text() == "libnvrtc.so.11.2"
    assert (folder / "libnvrtc-builtins.so").read_text() == "libnvrtc-builtins.so.11.8"
    assert (folder / "libcudnn.so.8").read_text() == "libcudnn.so.8"


def test_links_are_made_anew(environment):
    make_links(environment)
    (nccl,) = environment.glob("lib/python3*/site-packages/nvidia/nccl/lib/libnccl.so.2")
    nccl.unlink()
    assert "libnccl.so" not in make_links(environment)
    assert not os.path.lexists(environment / "lib" / "cuda-links" / "libnccl.so")


def test_paddle_3_finds_its_own(environment):
    make_links(environment)
    (facts,) = environment.glob("lib/python3*/site-packages/*.dist-info")
    facts.rename(facts.with_name("paddlepaddle_gpu-3.3.1.dist-info"))
    assert make_links(environment) == []
    assert not (environment / "lib" / "cuda-links").exists()


def test_a_worker_is_started_with_the_links_of_its_environment(environment, monkeypatch):
    make_links(environment)
    (environment / "bin").mkdir()
    python = interpreter(environment / "bin", 'echo "$LD_LIBRARY_PATH"')
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    links = str(environment / "lib" / "cuda-links")
    assert Worker("paddle", str(python)).output_of("any").strip() == links
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/cuda")
    assert Worker("paddle", str(python)).output_of("any").strip() == f"{links}{os.pathsep}/opt/cuda"
    monkeypatch.chdir(environment / "bin")
    assert library_path(f".{os.sep}{python.name}")["LD_LIBRARY_PATH"].startswith(links)


def test_other_interpreters_are_left_alone():
    assert library_path(sys.executable) == library_path("/x") == library_path("no-such-python") == {}
