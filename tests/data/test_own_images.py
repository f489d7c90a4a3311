"""Images of one's own: class folders and arrays, of any number of classes, size and mode; leaks of a split."""

import numpy as np
import pytest
from PIL import Image

from shared.data import cifar
from shared.data.collection import Reading
from shared.data.leaks import contents, leak_text
from shared.system.errors import UserError
from tests.data.drawn import class_folders, picture

MODES = ("RGB", "L", "1", "P", "RGBA", "I;16")


@pytest.mark.parametrize("classes", [2, 3, 100])
def test_class_folders_of_any_number_are_one_set_without_a_split_of_its_own(classes, tmp_path):
    dataset = cifar.load(class_folders(tmp_path, classes))
    assert (dataset.name, dataset.num_classes) == ("custom", classes)
    assert dataset.class_names == tuple(f"c{k}" for k in range(classes))
    assert dataset.labels.tolist() == np.repeat(np.arange(classes), 4).tolist()
    assert dataset.listed is None
    parts = cifar.split(dataset.labels, cifar.Protocol(1, 2, "train+rest"))
    assert np.bincount(dataset.labels[parts.query]).tolist() == [1] * classes
    assert np.bincount(dataset.labels[parts.database]).tolist() == [3] * classes


def test_sets_of_several_sizes_live_in_one_process(tmp_path):
    sizes = [cifar.load(class_folders(tmp_path / str(n), n)).num_classes for n in (3, 5)]
    assert (sizes, cifar.load("digits").num_classes) == ([3, 5], 10)


def test_pictures_of_one_size_within_the_input_stay_as_they_are(tmp_path):
    small = cifar.load(class_folders(tmp_path), reading=Reading(64))
    np.testing.assert_array_equal(small.pixels, cifar.load(tmp_path).pixels)


def test_pictures_of_several_sizes_and_modes_are_resized_as_pillow_does(tmp_path):
    files = [
        picture(tmp_path / f"c{k}" / f"{i}.png", (5 + 30 * i, 70 - 10 * i), i, mode)
        for k in range(2)
        for i, mode in enumerate(MODES)
    ]
    dataset = cifar.load(tmp_path, reading=Reading(64))
    assert dataset.pixels.shape == (12, 64, 64, 3)
    for file, pixels in zip(files, dataset.pixels, strict=True):
        if file.stem in ("0", "1", "2"):  # whose mode Pillow itself brings to RGB
            expected = Image.open(file).convert("RGB").resize((64, 64), Image.Resampling.BILINEAR)
            np.testing.assert_array_equal(pixels, np.asarray(expected))


def test_a_late_other_size_resizes_what_was_read_before(tmp_path):
    first = class_folders(tmp_path) / "c0" / "0.png"
    picture(tmp_path / "c2" / "9.png", (9, 8))
    dataset = cifar.load(tmp_path, reading=Reading(64))
    expected = Image.open(first).resize((64, 64), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(dataset.pixels[0], np.asarray(expected))


@pytest.mark.parametrize("keys", [("images", "labels"), ("x_train", "y_train")])
def test_arrays_larger_than_the_input_are_resized_as_pillow_does(keys, tmp_path):
    pixels = np.random.RandomState(0).randint(0, 256, (4, 80, 100, 3)).astype(np.uint8)
    arrays = dict(zip(keys, (pixels, np.arange(4) % 2), strict=True))
    if keys[0] == "x_train":
        arrays |= {"x_test": pixels[:2], "y_test": np.arange(2)}
    np.savez(tmp_path / "a.npz", **arrays)
    dataset = cifar.load(tmp_path / "a.npz", reading=Reading(64))
    expected = Image.fromarray(pixels[1]).resize((64, 64), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(dataset.pixels[1], np.asarray(expected))


def test_one_hot_rows_of_a_npz_are_class_ids_and_several_classes_are_refused(tmp_path):
    rows = np.eye(3, dtype=np.uint8)[[2, 0, 1]]
    np.savez(tmp_path / "a.npz", images=np.zeros((3, 4, 4, 3), np.uint8), labels=rows)
    assert cifar.load(tmp_path / "a.npz").labels.tolist() == [2, 0, 1]
    np.savez(tmp_path / "float.npz", images=np.zeros((3, 4, 4, 3), np.uint8), labels=rows.astype(np.float32))
    assert cifar.load(tmp_path / "float.npz").labels.tolist() == [2, 0, 1]
    rows[1, 1] = 1
    np.savez(tmp_path / "b.npz", images=np.zeros((3, 4, 4, 3), np.uint8), labels=rows)
    with pytest.raises(
        UserError, match=r"one class an image, received 2 of image 1; .* scored by compare/evaluate\.py"
    ):
        cifar.load(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", images=np.zeros((3, 4, 4, 3), np.uint8), labels=np.zeros(2, int))
    with pytest.raises(UserError, match=r"labels as 3 class ids or rows of 0 and 1, received int64 \(2,\)"):
        cifar.load(tmp_path / "c.npz")


def test_arrays_of_no_images_and_of_channels_first_are_told_so(tmp_path):
    np.savez(tmp_path / "none.npz", images=np.zeros((0, 4, 4, 3), np.uint8), labels=np.zeros(0, int))
    with pytest.raises(UserError, match=r"none\.npz: expected images, received none$"):
        cifar.load(tmp_path / "none.npz")
    np.savez(tmp_path / "first.npz", images=np.zeros((2, 3, 4, 4), np.uint8), labels=np.arange(2))
    with pytest.raises(UserError, match=r"received uint8 \(2, 3, 4, 4\); put the channels last"):
        cifar.load(tmp_path / "first.npz")


def test_unreadable_pictures_stop_the_reading_or_are_left_out_by_name(tmp_path):
    class_folders(tmp_path)
    for name in ("c0/1.png", "c2/3.png"):
        (tmp_path / name).write_bytes(b"\x89PNG no more")
    with pytest.raises(UserError, match=r"2 of 12 pictures cannot be read: .*c0/1\.png.*c2/3\.png; --skip-unreadable"):
        cifar.load(tmp_path)
    dataset = cifar.load(tmp_path, reading=Reading(skip_unreadable=True))
    assert np.bincount(dataset.labels).tolist() == [3, 4, 3]
    assert "left out, 2 of 12 pictures cannot be read" in dataset.notes[0]
    known = cifar.load_known(tmp_path, "custom", dataset.class_names, Reading(64, skip_unreadable=True))
    assert known.digest() == dataset.digest()


def test_a_class_of_unreadable_pictures_alone_is_named(tmp_path):
    class_folders(tmp_path)
    for file in (tmp_path / "c1").iterdir():
        file.write_bytes(b"")
    with pytest.raises(UserError, match="images of every class, received none of c1; leave out classes without images"):
        cifar.load(tmp_path, reading=Reading(skip_unreadable=True))


def test_too_few_images_say_which_options_fit(tmp_path):
    labels = cifar.load(class_folders(tmp_path, images=20)).labels
    with pytest.raises(UserError, match="say --queries-per-class 3 --train-per-class 8"):
        cifar.split(labels, "cifar10-1")
    cifar.split(labels, cifar.Protocol(3, 8, "rest"))


def test_a_rest_to_search_is_there_of_every_class():
    labels = np.repeat(np.arange(3), (4, 5, 6))
    with pytest.raises(UserError, match=r"expects at least 5 images .*; .* --queries-per-class 1 --train-per-class 1"):
        cifar.split(labels, cifar.Protocol(1, 3, "rest"))
    assert len(cifar.split(labels, cifar.Protocol(1, 3, "train+rest")).database) == 12
    with pytest.raises(UserError, match="an image to query and one to train on, and one to search"):
        cifar.split(np.repeat(np.arange(3), 2), cifar.Protocol(1, 1, "rest"))


def test_parts_of_the_files_are_a_split_that_can_be_taken(tmp_path):
    for part in ("train", "test"):
        class_folders(tmp_path / part)
    dataset = cifar.load(tmp_path)
    assert (len(dataset.listed.query), len(dataset.listed.train), dataset.is_list) == (12, 12, False)
    assert dataset.listed.database.tolist() == list(range(12))


def test_equal_images_on_both_sides_are_counted_by_content(tmp_path):
    for part, images in (("train", 4), ("test", 2)):
        class_folders(tmp_path / part, images=images)
    picture(tmp_path / "test" / "c0" / "1.png", seed=7777)
    dataset = cifar.load(tmp_path)
    text = leak_text(dataset, dataset.listed, contents(dataset.pixels))
    assert text.startswith("the split leaks: 5 of 6 queries are, pixel by pixel, images of the database")
    one = dataset.pixels.copy()
    one[12:, 0, 0, 0] ^= 1
    assert leak_text(dataset, dataset.listed, contents(one)) == ""
