"""Pictures in class folders: which files count, in which order, what classes are called; clear words otherwise."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from shared.data import cifar
from shared.system.errors import UserError

CLASSES = [f"class{k}" for k in range(10)]


def make(folder, classes=CLASSES, files=("0.png",), parts=("train", "test")):
    """Every picture is of one grey: 20 times its class's place among ``classes``, plus its own among ``files``."""
    for part in parts:
        for k, name in enumerate(classes):
            place = os.path.join(os.fsencode(folder), os.fsencode(part), os.fsencode(name))
            os.makedirs(place)
            for i, file in enumerate(files):
                Image.new("RGB", (4, 4), (20 * k + i,) * 3).save(os.path.join(os.fsdecode(place), file))
    return folder


def greys(dataset):
    return dataset.pixels[:, 0, 0, 0].tolist()


def test_numbers_in_names_are_numbers(tmp_path):
    dataset = cifar.load(make(tmp_path, files=("2.png", "10.png", "1.png")))
    assert dataset.name == "custom"
    assert greys(dataset)[:4] == [2, 0, 1, 22]
    assert dataset.labels.tolist() == 2 * np.repeat(np.arange(10), 3).tolist()


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        ([str(k) for k in (10, 9, 8, 7, 6, 5, 4, 3, 2, 1)], [str(k) for k in range(1, 11)]),
        ([f"c{k}" for k in range(11, 1, -1)], [f"c{k}" for k in range(2, 12)]),
        (["1", "01", *"23456789"], ["01", "1", *"23456789"]),
        (["1²2", "²", *"cdefghij"], ["1²2", *"cdefghij", "²"]),
        (["飞机", *"bcdefghij"], [*"bcdefghij", "飞机"]),
        ([b"\xc6\xdf", *"bcdefghij"], [*"bcdefghij", r"\xc6\xdf"]),
        (["a\x1b[31m\n", *"bcdefghij"], [r"a\x1b[31m\n", *"bcdefghij"]),
    ],
)
def test_classes_are_called_by_their_folders_in_natural_order(classes, expected, tmp_path):
    dataset = cifar.load(make(tmp_path, classes))
    assert list(dataset.class_names) == [dataset.class_of(label) for label in range(10)] == expected
    value_of_class = {name: 20 * k for k, name in enumerate(os.fsdecode(name) for name in classes)}
    shown = dict(zip(expected, greys(dataset), strict=False))
    assert all(shown.get(name, value) == value for name, value in value_of_class.items())


def test_every_format_that_predict_reads_is_read(tmp_path):
    files = ("0.png", "1.webp", "2.bmp", "3.TIF", "4.ppm", "5.gif", "6.PNG", "7.jfif")
    dataset = cifar.load(make(tmp_path, files=files))
    assert len(dataset.labels) == 2 * 10 * len(files)
    assert dataset.notes == ()


def test_what_systems_leave_is_no_picture_and_no_class(tmp_path):
    make(tmp_path)
    for part in ("train", "test"):
        for name in (".ipynb_checkpoints", "__MACOSX", ".git"):
            (tmp_path / part / name).mkdir()
        for name in (".DS_Store", "Thumbs.db", "class3/._0.png", "class3/desktop.ini", "class3/.0.png.swp"):
            (tmp_path / part / name).write_bytes(b"\0\5\x16\7")
    dataset = cifar.load(tmp_path)
    assert (len(dataset.labels), dataset.notes) == (20, ())


def test_other_files_are_counted_and_named_once(tmp_path):
    make(tmp_path)
    (tmp_path / "train" / "labels.csv").write_text("")
    (tmp_path / "test" / "class3" / "deeper.png").mkdir()
    for k in range(4):
        (tmp_path / "test" / "class7" / f"{k}.xml").write_text("")
    (note,) = cifar.load(tmp_path).notes
    assert "left out, 6 " in note
    assert note.endswith(
        "train/labels.csv, test/class3/deeper.png, test/class7/0.xml, test/class7/1.xml, test/class7/2.xml and 1 more"
    )


def test_a_part_that_is_neither_train_nor_test_is_named(tmp_path):
    make(tmp_path, parts=("train", "val", "test"))
    dataset = cifar.load(tmp_path)
    assert len(dataset.labels) == 20
    assert dataset.notes == (f"{tmp_path}: left out, 1 that are no class folder and no picture in one: val",)


def test_a_class_may_be_called_train(tmp_path):
    for name in ("bus", "test", "train"):
        make(tmp_path, [name], files=("0.png", "1.png"), parts=(".",))
    dataset = cifar.load(tmp_path)
    assert dataset.class_names == ("bus", "test", "train")
    assert (dataset.labels.tolist(), dataset.listed) == ([0, 0, 1, 1, 2, 2], None)


def flat(folder):
    for k in range(3):
        (folder / "train" / f"class{k}" / "0.png").rename(folder / f"{k}.png")
    without("train", "test")(folder)


def one_deeper(folder):
    (folder.parent / "in").mkdir()
    folder.rename(folder.parent / "in" / "in")
    (folder.parent / "in").rename(folder)


def without(*names):
    return lambda folder: [shutil.rmtree(folder / name) for name in names]


def larger(folder):
    Image.new("RGB", (5, 4)).save(folder / "test" / "class9" / "1.png")


def circular(folder):
    (folder / "train" / "class0" / "1.png").symlink_to("1.png")


def text(folder):
    (folder / "train" / "class0" / "0.png").write_text("no picture")


@pytest.mark.parametrize(
    ("corrupt", "message"),
    [
        (without("test/class3"), "expected the same class folders in train and test, received in train alone: class3;"),
        (without("train/class1", "train/class2"), "in train alone: none; in test alone: class1, class2"),
        (
            without(*(f"{part}/class{k}" for part in ("train", "test") for k in range(1, 10))),
            "or more, received one: class0",
        ),
        (without("test"), "/test: expected a folder with a folder per class, found none beside train"),
        (larger, "class9/1.png: expected 4x4 pixels, as .*train/class0/0.png has, received 5x4"),
        (circular, "class0/1.png: expected an image file"),
        (without("train", "test"), "received none of these: an empty folder$"),
        (flat, r"these: 0\.png, 1\.png, 2\.png; put the pictures of each class into a folder of its own$"),
        (one_deeper, "received none of these: in; name the folder that holds one$"),
        (text, r"class0/0.png: expected an image file \(PNG, .*received something else"),
    ],
)
def test_what_does_not_fit_is_named(corrupt, message, tmp_path):
    corrupt(make(tmp_path / "data"))
    with pytest.raises(UserError, match=message) as error:
        cifar.load(tmp_path / "data")
    assert "\n" not in str(error.value)


def test_a_folder_of_no_pictures_says_which_files_count(tmp_path):
    make(tmp_path)
    for file in tmp_path.glob("*/*/0.png"):
        file.rename(file.with_name("0"))
    with pytest.raises(UserError, match=r"expected pictures \(.*\.png.*\.webp\), received none, 20 that are"):
        cifar.load(tmp_path)


def test_a_loop_of_links_ends(tmp_path):
    make(tmp_path)
    (tmp_path / "train" / "class0" / "again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "train" / "self").symlink_to("self")
    assert len(cifar.load(tmp_path).labels) == 20
