"""List files: the split that they are, every form of their lines, and damage in one line."""

import numpy as np
import pytest
from PIL import Image

from shared.data import cifar, lists
from shared.data.collection import Reading
from shared.system.errors import UserError
from tests.data.drawn import list_files, picture


@pytest.fixture
def listed(tmp_path):
    return list_files(tmp_path)


def files_at(folder, dataset, index):
    """What the images at ``index`` are called, found by their pixels."""
    names = {
        np.asarray(Image.open(file)).tobytes(): f"{file.parent.name}/{file.stem}" for file in folder.rglob("*.png")
    }
    return {names[dataset.pixels[i].tobytes()] for i in index}


def test_list_files_are_the_split(listed):
    dataset = cifar.load(listed)
    assert (dataset.is_list, len(dataset.labels), dataset.num_classes) == (True, 12, 3)
    assert files_at(listed, dataset, dataset.listed.query) == {"c0/0", "c1/0", "c2/0"}
    assert files_at(listed, dataset, dataset.listed.train) == {f"c{k}/{i}" for k in range(3) for i in (1, 2, 3)}
    assert files_at(listed, dataset, dataset.listed.database) == {f"c{k}/{i}" for k in range(3) for i in (2, 3)}
    (listed / "database.txt").unlink()
    again = cifar.load(listed)
    assert again.listed.database.tolist() == again.listed.train.tolist()


def test_rows_of_0_and_1_absolute_paths_spaces_and_line_ends_are_read(listed, tmp_path):
    picture(listed / "c0" / "a b 7.png", seed=5)
    for name in ("train.txt", "test.txt", "database.txt"):
        rows = [line.split() for line in (listed / name).read_text().splitlines()]
        text = "".join(f"{listed / path} {' '.join(map(str, np.eye(3, dtype=int)[int(k)]))}\r\n" for path, k in rows)
        (listed / name).write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\r\n")
    with (listed / "train.txt").open("a") as file:
        file.write("c0/a b 7.png 1 0 0")
    dataset = cifar.load(listed)
    assert len(dataset.labels) == 13
    assert "c0/a b 7" in files_at(listed, dataset, dataset.listed.train)


def test_names_of_files_may_be_any_bytes(listed):
    name = b"c0/\xc6\xdf.png"
    (listed / "c0" / "1.png").rename(listed / lists.os.fsdecode(name))
    train = (listed / "train.txt").read_bytes().replace(b"c0/1.png", name)
    (listed / "train.txt").write_bytes(train)
    assert len(cifar.load(listed).labels) == 12


def test_pictures_that_a_list_names_in_vain_leave_all_parts(listed):
    (listed / "c0" / "2.png").unlink()
    with pytest.raises(UserError, match=r"1 of 12 pictures cannot be read: .*c0/2\.png: expected .*no such file"):
        cifar.load(listed)
    dataset = cifar.load(listed, reading=Reading(skip_unreadable=True))
    assert [len(part) for part in (dataset.listed.query, dataset.listed.train, dataset.listed.database)] == [3, 8, 5]
    assert "c0/2" not in files_at(listed, dataset, dataset.listed.train)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("test.txt", None, r"test\.txt: expected train\.txt and test\.txt, .* it is missing"),
        ("train.txt", b"", "expected an image a line, received none"),
        ("train.txt", b"c0/1.png\n", r"train\.txt, line 1: expected a path, then a class id .* received 'c0/1\.png'"),
        ("train.txt", b"c0/1.png cat\n", "expected a path, then a class id"),
        ("train.txt", b"c0/1.png -1\n", "expected a path, then a class id"),
        (
            "train.txt",
            b"\nc0/1.png 65536\n",
            r"line 2: expected a class id from 0 to 65535, received 65536",
        ),
        ("train.txt", b"c0/1.png " + b"9" * 5000, "expected a path, then a class id"),
        ("train.txt", b"c0/1.png 0\nc1/1.png 0 1\n", "line 2: expected 1 numbers after the path, as .*line 1 has, rec"),
        ("train.txt", b"c0/1.png 0 2\n", "expected a row of 0 and 1, or one class id, received a 2"),
        (
            "train.txt",
            b"c0/1.png 1 1 0\n",
            "expected one class, received 2; the loss has one class an image;",
        ),
        ("train.txt", b"c0/1.png 0 0\n", "expected one class, received 0"),
        ("train.txt", b"c0/1.png 0\nc0/1.png 1\n", "line 2: expected the label that .*line 1 gives this image"),
        (
            "train.txt",
            b"../../etc/x.png 0\n",
            r"a path within .*, or an absolute one, received '\.\./\.\./etc/x",
        ),
        ("train.txt", b"\xff\xfec\x000\x00", "received binary data; save it as UTF-8"),
        ("train.txt", b"/dev/zero 0\n", "cannot be read: /dev/zero: expected an image file"),
        ("train.txt", b"c0/1.png 5\n", "received none of class 3, class 4; number the classes from 0"),
        ("train.txt", b"1 " * 200_000 + b"x", "expected a path, then a class id"),
    ],
)
def test_damaged_lists_are_refused_in_one_line(name, content, message, listed):
    (listed / name).unlink()
    if content is not None:
        (listed / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        cifar.load(listed)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 1500


def test_lists_larger_than_any_data_set_are_refused_unread(listed, monkeypatch):
    monkeypatch.setattr(lists, "_MOST_BYTES", 50)
    with pytest.raises(UserError, match="expected at most 50 bytes, received 99"):
        cifar.load(listed)
    monkeypatch.undo()
    monkeypatch.setattr(lists, "_MOST_LINES", 5)
    with pytest.raises(UserError, match="expected at most 5 lines, received 9"):
        cifar.load(listed)
