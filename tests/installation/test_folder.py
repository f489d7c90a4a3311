"""A folder of wheels for a machine without a network: what is downloaded, for whom, and who may install from it.

In place of pip stands a program that notes its words and writes the files that a download would.
"""

import json
import re

import pytest

from compare.installation.folder import TOOLS, fill, plans_of_folder
from compare.installation.plan import Named, plans
from shared.system.errors import UserError
from tests.helpers import PROJECT_ROOT
from tests.installation.nvidia import always

# what the stand-in downloads for a requirement
PIP = """
import json, pathlib, sys
words = sys.argv[1:]
read = [pathlib.Path(word).read_text() if word.endswith(".txt") else word for word in words]
with open({note!r}, "a") as file:
    print(json.dumps(read), file=file)
folder = pathlib.Path(words[words.index("--dest") + 1])
text = " ".join(pathlib.Path(word).read_text() for word in words if word.endswith("wheels.txt"))
for name, files in {files!r}.items():
    if name in text:
        for file in files:
            (folder / file).touch()
sys.exit({status})
"""
FILES = {
    "torch==2.14": [
        "torch-2.14.1+cu126-cp311-cp311-linux_x86_64.whl",
        "torchvision-0.29.1+cu126-cp311-cp311-linux_x86_64.whl",
    ],
    "torch>=": [
        "torch-2.15.0-cp311-cp311-manylinux_2_28_x86_64.whl",
        "torchvision-0.29.2-py3-none-manylinux_2_28_x86_64.whl",
    ],
    "paddlepaddle-gpu": ["paddlepaddle_gpu-3.3.1-cp311-cp311-linux_x86_64.whl"],
}
DOWNLOAD = ["download", "--only-binary", ":all:", "--dest"]


@pytest.fixture
def pip(monkeypatch, tmp_path):
    """Puts a stand-in for pip where ``python -m pip`` finds it; returns what reads its calls."""

    def stand_in(status=0):
        (tmp_path / "pip").mkdir(exist_ok=True)
        program = PIP.format(note=str(tmp_path / "note"), files=FILES, status=status)
        (tmp_path / "pip" / "__main__.py").write_text(program)
        (tmp_path / "pip" / "__init__.py").touch()

    def calls():
        return [json.loads(line) for line in (tmp_path / "note").read_text().splitlines()]

    stand_in()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    calls.stand_in = stand_in
    return calls


def some(kind, card="8.6", driver="580.65.06", **indexes):
    return plans(kind, Named() if kind == "cpu" else Named(card, driver, indexes), always)


def filled(folder, kind, *cards, **indexes):
    fill(folder, kind, some(kind, *cards, **indexes))
    return str(folder)


def test_the_cpus_set_is_downloaded_with_what_builds_the_project(pip, tmp_path, capsys):
    folder = filled(tmp_path / "wheels", "cpu")
    tools, project = pip()
    assert tools == [*DOWNLOAD, folder, *TOOLS]
    constraints = (PROJECT_ROOT / "constraints.txt").read_text()
    assert project == [*DOWNLOAD, folder, "--find-links", folder, "--constraint", constraints, ".[cpu,dev]"]
    said = capsys.readouterr().out
    assert re.search(r"^wheels for Python 3\.\d+ on Linux, x86_64, EXTRA=cpu, into /", said)
    assert said.endswith("make EXTRA=cpu WHEELS=wheels\n")


def test_the_projects_build_needs_what_is_downloaded():
    project = (PROJECT_ROOT / "pyproject.toml").read_text()
    (needed,) = re.findall(r"^requires = (\[.*\])$", project, flags=re.MULTILINE)
    assert set(json.loads(needed)) <= set(TOOLS)


def test_each_environment_keeps_the_frameworks_wheels_that_were_chosen(pip, tmp_path):
    folder = filled(tmp_path / "wheels", "gpu", "6.1", "535.54.03")
    _, torch, its_project, paddle, other_project = pip()
    assert torch[:-1] == paddle[:-1] == [*DOWNLOAD, folder, "--requirement"]
    assert torch[-1].splitlines()[1:] == [
        "--index-url https://download.pytorch.org/whl/cu126",
        "torch==2.14.*",
        "torchvision==0.29.*",
    ]
    # else pip would take 2.15 from the registry for the project, whatever lies in the folder
    assert its_project[-2].endswith("\ntorch==2.14.1+cu126\ntorchvision==0.29.1+cu126\n")
    assert "\ntorch==2.15" not in its_project[-2]
    assert its_project[-1] == ".[torch,dev]"
    assert other_project[-2:] == ["paddlepaddle-gpu==3.3.1\n", ".[paddle-gpu]"]


def test_the_makefile_installs_what_was_downloaded(pip, tmp_path):
    filled(tmp_path / "cpu", "cpu")
    filled(tmp_path / "gpu", "gpu")
    projects = {call[-1] for call in pip() if "--constraint" in call}
    makefile = (PROJECT_ROOT / "Makefile").read_text()
    assert projects == set(re.findall(r'--editable "(.*)"', makefile))


def test_a_failed_download_is_one_line_and_goes_on_later(pip, tmp_path):
    folder = tmp_path / "wheels"
    pip.stand_in(status=1)
    with pytest.raises(UserError, match="pip download ended with exit status 1; mend what it says"):
        fill(folder, "cpu", [])
    with pytest.raises(UserError, match="WHEELS: expected a folder that make wheels filled to its end"):
        plans_of_folder(folder, "cpu", Named())
    (folder / "numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl").touch()
    pip.stand_in()
    fill(folder, "cpu", [])
    fill(folder, "cpu", [])
    assert plans_of_folder(folder, "cpu", Named()) == []


def test_a_folder_of_something_else_is_left_alone(pip, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(UserError, match=r"mine: expected a folder of wheels alone, received 'thesis\.tex' in it"):
        fill(tmp_path / "mine", "cpu", [])
    filled(tmp_path / "wheels", "gpu", "6.1", "535.54.03")
    with pytest.raises(UserError, match=r"wheels: expected wheels for .* received a folder of others; take a new one"):
        filled(tmp_path / "wheels", "gpu", "8.6", "580.65.06")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "torch-2.14.0+cu126-cp311-cp311-linux_x86_64.whl").touch()
    with pytest.raises(UserError, match=r"two: expected one version of torch, received \['2\.14\.0\+cu126', '2\.14\.1"):
        filled(tmp_path / "two", "torch", "6.1", "535.54.03")


@pytest.mark.usefixtures("pip")
def test_the_machine_it_was_filled_for_installs_from_it(tmp_path):
    folder = tmp_path / "wheels"
    filled(folder, "gpu", "6.1", "535.54.03")
    torch, paddle = plans_of_folder(folder, "gpu", Named("7.0", "550.54.14"))
    assert (torch.row, paddle.row) == ("CUDA 12.6", "3.x, CUDA 11.8")
    with pytest.raises(UserError) as raised:
        plans_of_folder(folder, "gpu", Named("12.0", "580.65.06"))
    assert str(raised.value).startswith(
        f"{folder}: its wheels do not fit this machine; fill one for compute capability 12.0 with driver 580.65.06. "
        "PyTorch: no wheel has code for compute capability 12.0; "
    )


@pytest.mark.usefixtures("pip")
def test_wheels_of_a_named_index_are_taken_as_they_are(tmp_path):
    folder = tmp_path / "wheels"
    filled(folder, "gpu", torch="https://a.mirror/x", paddle="https://a.mirror/y")
    torch, paddle = plans_of_folder(folder, "gpu", Named())
    assert (torch.requirements, paddle.requirements) == (
        ("torch>=2.14", "torchvision>=0.29"),
        ("paddlepaddle-gpu>=2.6",),
    )


@pytest.mark.usefixtures("pip")
@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("kind", "gpu", "its wheels are for EXTRA gpu, received cpu"),
        ("python", "3.9", r"its wheels are for Python 3\.9, received 3\."),
        ("processor", "aarch64", "its wheels are for processor aarch64, received x86_64"),
    ],
)
def test_another_machine_is_told_what_it_was_filled_for(field, value, said, tmp_path):
    folder = tmp_path / "wheels"
    filled(folder, "cpu")
    record = json.loads((folder / "made_for.json").read_text())
    (folder / "made_for.json").write_text(json.dumps(record | {field: value}))
    with pytest.raises(UserError, match=f"{re.escape(str(folder))}: {said}"):
        plans_of_folder(folder, "cpu", Named())


@pytest.mark.usefixtures("pip")
@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({}, "expected wheels of PyTorch, received none"),
        ({"torch": "CUDA 99"}, "expected a row of this version's table"),
        ({"jax": "CUDA 13"}, "torch or paddle"),
        ({"torch": 3}, "one line of text, or null"),
    ],
)
def test_a_damaged_record_is_one_line(rows, said, tmp_path):
    folder = tmp_path / "wheels"
    filled(folder, "torch")
    record = json.loads((folder / "made_for.json").read_text())
    (folder / "made_for.json").write_text(json.dumps(record | {"wheels": rows}))
    with pytest.raises(UserError, match=said):
        plans_of_folder(folder, "torch", Named("8.6", "580.65.06"))
