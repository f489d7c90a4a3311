"""``compare/retrieve.py`` as a user drives it: images of the data, pictures, and codes of any model."""

import json
import shutil
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from compare import retrieve
from compare.suite.run_folders import finished_runs
from shared.codes.codes import Codes
from shared.codes.packing import code_hex, pack_codes, unpack_codes
from shared.data.cifar import load
from shared.system.errors import exit_status
from shared.training.runs import Run
from tests import helpers
from tests.search.test_neighbours import plain, random_codes

WRONG = (200, 20, 60)
NO_WORKER = ("--torch-python", "none", "--paddle-python", "none")


class Output(NamedTuple):
    stdout: str
    stderr: str


@pytest.fixture
def command(monkeypatch, capsys):
    """The command in this process, where it starts at once; the exit status is checked."""

    def call(*arguments, status=0):
        monkeypatch.setattr(sys, "argv", ["retrieve.py", *map(str, arguments)])
        assert exit_status(retrieve.main) == status
        return Output(*capsys.readouterr())

    return call


def process(*arguments, status=0):
    return helpers.run("compare/retrieve.py", *arguments, status=status)


def records(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def copy_of(run, folder):
    shutil.copytree(run.folder, folder, ignore=shutil.ignore_patterns("lightning", "*.faiss"))
    return Run(folder)


@pytest.fixture
def run(small_suite, tmp_path):
    """A finished run of whichever framework is there."""
    return copy_of(finished_runs(small_suite)[0], tmp_path / "run")


@pytest.fixture
def pictures(tmp_path):
    """The first three digits, one of them larger, and a file that is no picture."""
    pixels = load("digits").pixels
    files = [tmp_path / name for name in ("0.png", "$1$_{.png", "large.png", "text.png")]
    for number, file in enumerate(files[:2]):
        Image.fromarray(pixels[number]).save(file)
    Image.fromarray(pixels[2]).resize((40, 40), Image.NEAREST).save(files[2])
    files[3].write_text("hello")
    return files


def expected_of(codes, number, k):
    """What should be found for an image, by plain NumPy."""
    n, at = codes.num_queries, codes.index.tolist().index(number)
    bits = unpack_codes(codes.codes, codes.bits)
    (places,), (distances,) = plain(bits[at : at + 1], bits[n:], k)
    images, labels = codes.index[n:][places].tolist(), codes.labels[n:][places].tolist()
    return [
        {"index": i, "distance": d, "label": y, "class": f"digit {y}", "wrong": bool(y != codes.labels[at])}
        for i, d, y in zip(images, distances, labels, strict=True)
    ]


def test_images_of_the_data_need_no_worker(command, run):
    codes = Codes.load(run.codes_file)
    numbers = [int(codes.index[3]), int(codes.index[-3])]  # a query and an item
    answers = records(process("--run", run.folder, "--index", *numbers, "-k", "25", "--json", *NO_WORKER))
    for number, at, answer in zip(numbers, (3, -3), answers, strict=True):
        assert answer["query"] == f"digits[{number}]"
        assert answer["class"] == f"digit {codes.predicted[at]}"
        assert answer["true"] == f"digit {codes.labels[at]}"
        assert answer["hex"] == code_hex(codes.codes[at], 12)
        assert answer["nearest"] == expected_of(codes, number, 25)
    stored = (run.folder / "codes.faiss").stat().st_mtime_ns
    done = command("--run", run.folder, "--index", *numbers, "-k", "25", *NO_WORKER)
    assert (run.folder / "codes.faiss").stat().st_mtime_ns == stored
    for answer, text in zip(answers, done.stdout.split("\n\n"), strict=True):
        head, columns, *rows = text.strip().splitlines()
        right = sum(not hit["wrong"] for hit in answer["nearest"])
        name, known = f"{answer['query']}: {answer['class']}", f"(in the data: {answer['true']})"
        assert head == f"{name}, code {answer['hex']} {known}, {right} of 25 right"
        assert columns.split() == ["rank", "distance", "index", "class"]
        assert len({row.index("digit") for row in rows} | {columns.index("class")}) == 1
        for rank, (row, hit) in enumerate(zip(rows, answer["nearest"], strict=True), 1):
            cells = [str(rank), str(hit["distance"]), str(hit["index"]), "digit", str(hit["label"])]
            assert row.split() == cells + ["wrong"] * hit["wrong"]


def test_an_item_may_be_left_out_of_its_own_ranking(command, run):
    codes = Codes.load(run.codes_file)
    number, k = int(codes.index[-1]), len(codes.index) - codes.num_queries
    arguments = ("--run", run.folder, "--index", number, "-k", k, "--json")
    whole, others = (records(command(*arguments, *more))[0]["nearest"] for more in ((), ("--exclude-self",)))
    assert whole == expected_of(codes, number, k)
    assert others == [hit for hit in whole if hit["index"] != number]


def test_pictures_find_what_their_own_codes_find(command, framework, small_suite, pictures, tmp_path):
    run = copy_of(Run(small_suite / framework / "bits12-seed2000"), tmp_path / "run")
    out = tmp_path / "out.png"
    images = ("--image", pictures[0], "--image", *pictures[1:])  # all of them, however they are named
    done = command("--run", run.folder, *images, "-k", "7", "--json", "--out", out, status=2)
    assert done.stderr.splitlines() == [
        f"error: {pictures[3]}: expected an image file (PNG, JPEG, WEBP, GIF, BMP, TIFF, PPM), received something else"
    ]
    answers = records(done)
    assert [answer["query"] for answer in answers] == list(map(str, pictures[:3]))
    encoded = records(command("--run", run.folder, "--index", 0, 1, 2, "-k", "7", "--json", *NO_WORKER))
    for picture, image in zip(answers, encoded, strict=True):
        assert picture["true"] is None
        assert {key: picture[key] for key in ("class", "hex")} == {key: image[key] for key in ("class", "hex")}
        assert [hit | {"wrong": None} for hit in image["nearest"]] == picture["nearest"]
    assert not shows_wrong(out)  # whose class nobody knows is not marked


def shows_wrong(file):
    with Image.open(file) as picture:
        assert picture.format == "PNG"
        return (np.asarray(picture.convert("RGB")) == WRONG).all(axis=2).any()


def test_images_that_the_run_did_not_encode_are_encoded(command, run):
    codes = Codes.load(run.codes_file)
    number = int(codes.index[0])
    before = records(command("--run", run.folder, "--index", number, "-k", "5", "--json", *NO_WORKER))
    arrays = {name: array[1:] for name, array in vars(codes).items() if isinstance(array, np.ndarray)}
    Codes(**arrays, num_queries=codes.num_queries - 1).save(run.codes_file)
    command("--run", run.folder, "--index", number, *NO_WORKER, status=2)
    assert records(command("--run", run.folder, "--index", number, "-k", "5", "--json")) == before


def test_the_picture_marks_what_is_wrong(command, run, tmp_path):
    codes = Codes.load(run.codes_file)
    by_wrong = {}
    for number in codes.index[: codes.num_queries].tolist():
        hits = expected_of(codes, number, 4)
        by_wrong.setdefault(sum(hit["wrong"] for hit in hits), number)
    right, wrong = tmp_path / "right.png", tmp_path / "new" / "wrong.png"
    command("--run", run.folder, "--index", by_wrong[0], "-k", "4", "--out", right, *NO_WORKER)
    command("--run", run.folder, "--index", by_wrong[0], by_wrong[max(by_wrong)], "-k", "4", "--out", wrong, *NO_WORKER)
    assert not shows_wrong(right)
    assert shows_wrong(wrong)
    again = tmp_path / "again.png"
    command("--run", run.folder, "--index", by_wrong[0], "-k", "4", "--out", again, *NO_WORKER)
    assert again.read_bytes() == right.read_bytes()


def test_without_the_images_there_is_text_but_no_picture(command, run, tmp_path):
    environment = json.loads(run.environment_file.read_text())
    run.environment_file.write_text(json.dumps(environment | {"command": [], "data": None}))
    arguments = ("--run", run.folder, "--index", "5", "--out", tmp_path / "x.png", *NO_WORKER)
    done = command(*arguments, status=2)
    assert len(done.stdout.splitlines()) == 12
    assert done.stderr == (
        f"error: {tmp_path}/x.png is not drawn: {run.environment_file} does not say where the images of the run are; "
        "pass --data\n"
    )
    assert not (tmp_path / "x.png").exists()
    command(*arguments, "--data", "digits")
    assert (tmp_path / "x.png").exists()


def write_codes(folder, count=900, classes=4):
    codes = random_codes(1, count, 70)
    labels = np.random.RandomState(2).randint(0, classes, count)
    np.save(folder / "base_codes.npy", np.where(codes, 1, -1).astype(np.int8))
    np.save(folder / "base_labels.npy", labels)
    return codes, labels


def test_codes_of_any_model(command, tmp_path):
    codes, labels = write_codes(tmp_path)
    queries = random_codes(3, 6, 70)
    np.savez(tmp_path / "q.npz", codes=pack_codes(queries), labels=np.arange(6) % 4, bits=70)
    arguments = ("--query", tmp_path / "q.npz", "--database", tmp_path / "base_codes.npy", "-k", "9")
    answers = records(command(*arguments, "--json"))
    positions, distances = plain(queries, codes, 9)
    assert [answer["query"] for answer in answers] == [f"query {i}" for i in range(6)]
    for i, answer in enumerate(answers):
        assert [hit["position"] for hit in answer["nearest"]] == positions[i]
        assert [hit["distance"] for hit in answer["nearest"]] == distances[i]
        assert [hit["label"] for hit in answer["nearest"]] == labels[positions[i]].tolist()
        assert [hit["wrong"] for hit in answer["nearest"]] == (labels[positions[i]] != i % 4).tolist()
    assert (tmp_path / "base_codes.faiss").exists()
    text = command(*arguments, "--index", "5", "--index", "2").stdout.split("\n\n")
    assert [part.split(":")[0] for part in text] == ["query 5", "query 2"]
    assert "(in the data: label 1)" in text[0]
    assert text[0].splitlines()[1].split() == ["rank", "distance", "position", "class"]


def test_multi_hot_labels_are_right_where_they_share_a_class(command, tmp_path):
    codes, _ = write_codes(tmp_path)
    labels = np.random.RandomState(4).rand(len(codes), 5) < 0.3
    np.savez(tmp_path / "all.npz", codes=codes, labels=labels)
    both = ("--query", tmp_path / "all.npz", "--database", tmp_path / "all.npz")
    done = command(*both, "--index", "8", "-k", "50", "--json", "--exclude-self")
    (positions,), _ = plain(codes[8:9], codes, 51)
    nearest = records(done)[0]["nearest"]
    assert [hit["position"] for hit in nearest] == [place for place in positions if place != 8][:50]
    for hit in nearest:
        assert hit["class"] == "labels " + "+".join(map(str, np.flatnonzero(labels[hit["position"]])))
        assert hit["wrong"] == (not (labels[hit["position"]] & labels[8]).any())


def test_a_reader_that_stops_early(run):
    command_line = [sys.executable, "compare/retrieve.py", "--query", run.folder, "-k", "1000"]
    with subprocess.Popen(
        command_line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=helpers.PROJECT_ROOT, env=helpers.ENVIRONMENT
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        assert (process.wait(60), process.stderr.read()) == (0, b"")


BAD = {
    "nothing": ((), "expected --run or --query, received neither"),
    "both ways": (("--run", "RUN", "--query", "x"), "expected --run or --query, received both"),
    "no query": (("--run", "RUN"), "expected --image or --index, received neither"),
    "two kinds": (("--run", "RUN", "--image", "x", "--index", "1"), "expected --image or --index, received both"),
    "no run": (("--run", "SUITE/none", "--index", "1"), "such as OUT/torch/bits48-seed2000; received "),
    "a suite": (("--run", "SUITE", "--index", "1"), "bits12-seed2000; received "),
    "no such image": (("--run", "RUN", "--index", "0", "1797", "-2"), "--index: expected 0 to 1796, received 1797, -2"),
    "no such query": (("--query", "RUN", "--index", "500"), "--index: expected 0 to 499, received 500"),
    "none at all": (("--run", "RUN", "--index", "1", "-k", "0"), "-k: expected at least 1, received 0"),
    "other form": (("--run", "RUN", "--index", "1", "--out", "a.jpg"), "expected a file name with .png or .svg"),
    "too wide": (("--run", "RUN", "--index", "1", "--out", "a.png", "-k", "51"), "received 1 and -k 51"),
    "too long": (("--run", "RUN", "--index", *["1"] * 101, "--out", "a.png"), "received 101 and -k 10"),
    "files' option": (("--run", "RUN", "--index", "1", "--bits", "12"), "--bits does not go with --run"),
    "run's option": (("--query", "RUN", "--out", "a.png"), "--out does not go with --query"),
    "other data": (("--run", "RUN", "--image", "x", "--data", "none"), "x: expected an image file"),
    "no interpreter": (("--run", "RUN", "--image", "PICTURE", *NO_WORKER), "-python: cannot start none"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD.keys())
def test_bad_requests(command, run, small_suite, pictures, arguments, message):
    for name, path in {"RUN": run.folder, "SUITE": small_suite, "PICTURE": pictures[0]}.items():
        arguments = [argument.replace(name, str(path)) for argument in arguments]
    error = command(*arguments, status=2).stderr
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1


def test_a_damaged_run(command, run):
    run.codes_file.write_bytes(b"PK and nothing")
    error = command("--run", run.folder, "--index", "1", status=2).stderr
    assert "expected the codes of a finished run" in error
    assert error.count("\n") == 1
