"""Every layout CIFAR-10 comes in gives the same images; splits follow the published rule; bad data is refused."""

import pickle
import tarfile

import numpy as np
import pytest

from shared.data import cifar
from shared.system.errors import UserError

BATCHES = [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]


def write_python_layout(folder, pixels, labels):
    folder.mkdir(parents=True)
    flat = pixels.transpose(0, 3, 1, 2).reshape(len(pixels), 3072)
    for name, part in zip(BATCHES, np.split(np.arange(len(pixels)), 6), strict=True):
        batch = {b"data": flat[part], b"labels": labels[part].tolist(), b"filenames": [b"x.png"] * len(part)}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))


def check_same(dataset, pixels, labels):
    assert (dataset.name, dataset.class_names) == ("custom", ())
    np.testing.assert_array_equal(dataset.labels, labels)
    assert np.array_equal(dataset.pixels, pixels)


def test_binary_layout(fake_cifar):
    folder, pixels, labels = fake_cifar
    check_same(cifar.load(folder), pixels, labels)
    check_same(cifar.load(folder.parent), pixels, labels)


def test_binary_archive(fake_cifar, tmp_path):
    folder, pixels, labels = fake_cifar
    with tarfile.open(tmp_path / "cifar-10-binary.tar.gz", "w:gz", compresslevel=1) as archive:
        archive.add(folder, "cifar-10-batches-bin")
    check_same(cifar.load(tmp_path / "cifar-10-binary.tar.gz"), pixels, labels)


def test_python_layout(fake_cifar, tmp_path):
    _, pixels, labels = fake_cifar
    write_python_layout(tmp_path / "cifar-10-batches-py", pixels, labels)
    check_same(cifar.load(tmp_path), pixels, labels)


def test_keras_npz(fake_cifar, tmp_path):
    _, pixels, labels = fake_cifar
    halves = {"x_train": pixels[:50_000], "y_train": labels[:50_000, None].astype(np.uint8)}
    np.savez(tmp_path / "cifar10.npz", **halves, x_test=pixels[50_000:], y_test=labels[50_000:, None])
    check_same(cifar.load(tmp_path / "cifar10.npz"), pixels, labels)


def test_digits_are_bundled():
    dataset = cifar.load("digits")
    assert (dataset.name, dataset.pixels.shape, dataset.pixels.max()) == ("digits", (1797, 8, 8, 3), 255)


def published_split(labels, query, train, seed):
    """The published rule once more, written as plainly as possible."""
    generator = np.random.RandomState(seed)
    chosen = {"query": [], "train": [], "rest": []}
    for label in range(10):
        index = [i for i, value in enumerate(labels) if value == label]
        order = [index[k] for k in generator.permutation(len(index))]
        chosen["query"] += order[:query]
        chosen["train"] += order[query : query + train]
        chosen["rest"] += order[query + train :]
    return chosen


@pytest.mark.parametrize(
    ("protocol", "query", "train", "size"),
    [("cifar10-1", 100, 500, 59_000), ("cifar10", 100, 500, 54_000), ("cifar10-2", 1000, 5000, 50_000)],
)
def test_split_follows_the_published_rule(fake_cifar, protocol, query, train, size):
    _, _, labels = fake_cifar
    parts = cifar.split(labels, protocol, seed=2000)
    expected = published_split(labels, query, train, 2000)
    database = {
        "cifar10-1": expected["train"] + expected["rest"],
        "cifar10": expected["rest"],
        "cifar10-2": expected["train"],
    }[protocol]
    assert parts.query.tolist() == expected["query"]
    assert parts.train.tolist() == expected["train"]
    assert parts.database.tolist() == database
    assert len(parts.database) == size
    assert {array.dtype for array in (parts.query, parts.train, parts.database)} == {np.dtype(np.int64)}
    cifar.validate_split(parts, labels, protocol)


def test_default_split_never_changes():
    labels = np.tile(np.arange(10), 6000)
    assert cifar.split(labels).digest() == "206c4050c93130c35146e3f0e83000d042174698b48d853801e324b781bf7414"
    assert cifar.split(labels).digest() == cifar.split(labels, protocol="cifar10-1", seed=2000).digest()
    assert cifar.split(labels, seed=2001).digest() != cifar.split(labels).digest()


def test_split_validator_finds_faults():
    labels = np.tile(np.arange(10), 6000)
    good = cifar.split(labels)
    leaked = cifar.Split(good.query, good.train, np.append(good.database[:-1], good.query[0]))
    twice = cifar.Split(good.query, np.append(good.train[:-1], good.train[0]), good.database)
    with pytest.raises(UserError, match="disjoint query and database, received 1"):
        cifar.validate_split(leaked, labels, "cifar10-1")
    with pytest.raises(UserError, match="expected train counts"):
        cifar.validate_split(twice, labels, "cifar10-1")


def test_too_few_images_and_unknown_protocol():
    labels = np.append(np.tile(np.arange(9), 700), [9] * 5)
    with pytest.raises(
        UserError, match=r"mine: cifar10-1 expects at least 600 images of every class, received (700, ){9}5"
    ):
        cifar.split(labels, where="mine")
    with pytest.raises(UserError, match="cifar10-1"):
        cifar.split(np.tile(np.arange(10), 6000), "cifar10-3")


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_hostile_python_batch_runs_nothing(fake_cifar, tmp_path):
    _, pixels, labels = fake_cifar
    write_python_layout(tmp_path / "py", pixels, labels)
    (tmp_path / "py" / "data_batch_3").write_bytes(pickle.dumps({b"data": Payload(tmp_path / "owned")}))
    with pytest.raises(
        UserError, match=r"data_batch_3: expected NumPy arrays and plain values alone, received io.open$"
    ):
        cifar.load(tmp_path / "py")
    assert not (tmp_path / "owned").exists()


def damaged(tmp_path, fake_cifar):
    folder, _, _ = fake_cifar
    copy = tmp_path / "bin"
    copy.mkdir()
    for file in folder.iterdir():
        (copy / file.name).symlink_to(file)
    return copy


def test_truncated_binary_batch(fake_cifar, tmp_path):
    copy = damaged(tmp_path, fake_cifar)
    data = (copy / "data_batch_2.bin").read_bytes()
    (copy / "data_batch_2.bin").unlink()
    (copy / "data_batch_2.bin").write_bytes(data[:-1])
    with pytest.raises(UserError, match=r"data_batch_2.bin: expected 30730000 bytes, received 30729999"):
        cifar.load(copy)


def test_missing_binary_batch(fake_cifar, tmp_path):
    copy = damaged(tmp_path, fake_cifar)
    (copy / "test_batch.bin").unlink()
    with pytest.raises(UserError, match=r"test_batch\.bin, which is missing"):
        cifar.load(copy)


def test_label_out_of_range(fake_cifar, tmp_path):
    copy = damaged(tmp_path, fake_cifar)
    data = bytearray((copy / "data_batch_1.bin").read_bytes())
    data[0] = 10
    (copy / "data_batch_1.bin").unlink()
    (copy / "data_batch_1.bin").write_bytes(data)
    with pytest.raises(UserError, match="labels 0 to 9, received 0 to 10"):
        cifar.load(copy)


GOOD = {
    "x_train": np.zeros((3, 32, 32, 3), np.uint8),
    "y_train": np.arange(3) % 2,
    "x_test": np.zeros((2, 32, 32, 3), np.uint8),
    "y_test": np.arange(2),
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_train": None, "x_test": None}, "missing y_train, x_test, there: x_train, y_test"),
        ({"x_train": np.zeros((3, 32, 32, 3))}, "x_train as uint8"),
        ({"x_train": np.zeros((3, 28, 28), np.uint8)}, r"received uint8 \(3, 28, 28\); of grey images .* np\.repeat"),
        ({"x_test": np.zeros((2, 16, 16, 3), np.uint8)}, r"x_test in the size of x_train, uint8 \(3, 32, 32, 3\)"),
        ({"y_train": np.zeros(2, int)}, r"y_train as 3 integer labels, received int64 \(2,\)"),
        ({"y_train": np.zeros(3)}, "3 integer labels"),
        ({"y_train": np.zeros((3, 1, 1), int)}, "3 integer labels"),
        ({"y_train": np.array([None, None, None])}, "plain arrays"),
        ({"y_test": np.array([0, 3])}, "images of every class, received none of class 2; number the classes from 0"),
        ({"y_train": np.zeros(3, int), "y_test": np.zeros(2, int)}, "two classes or more, received one class"),
        ({"y_test": np.array([0, -1])}, "class numbers from 0 to at most 65535, received -1 to 1"),
        ({"y_test": np.array([0, 2**62])}, "class numbers from 0 to at most 65535, received 0 to 4611686018427387904"),
        ({"x_train": np.zeros((3, 0, 0, 3), np.uint8), "x_test": np.zeros((2, 0, 0, 3), np.uint8)}, "no pixels"),
    ],
)
def test_wrong_npz(tmp_path, change, message):
    np.savez(tmp_path / "c.npz", **{name: array for name, array in (GOOD | change).items() if array is not None})
    with pytest.raises(UserError, match=message):
        cifar.load(tmp_path / "c.npz")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("c.npz", "damaged"),
        ("cifar.zip", r"unpack it: unzip \S+cifar\.zip -d \S+cifar$"),
        ("train-00000-of-00001.parquet", r"needs pyarrow .*: \S+ -m pip install pyarrow$|received a damaged file"),
        ("data_batch_1.bin", "received one of them; name"),
        ("cifar.h5", "received another kind of file"),
    ],
)
def test_other_files_and_what_to_do(name, message, tmp_path):
    (tmp_path / name).write_bytes(b"PK\x03\x04 not what it is called")
    with pytest.raises(UserError, match=message) as error:
        cifar.load(tmp_path / name)
    assert "\n" not in str(error.value)


def test_nothing_there(tmp_path):
    with pytest.raises(UserError, match="no such data"):
        cifar.load(tmp_path / "absent")
    with pytest.raises(UserError, match="received none of these"):
        cifar.load(tmp_path)


def test_two_data_sets_in_one_folder(fake_cifar, tmp_path):
    damaged(tmp_path, fake_cifar).rename(tmp_path / "cifar-10-batches-bin")
    (tmp_path / "cifar10.npz").write_bytes(b"")
    with pytest.raises(UserError, match="several"):
        cifar.load(tmp_path)


def queries_and_training_images(path):
    dataset = cifar.load(path, "JPEG copy of CIFAR-10")
    assert dataset.name == "cifar10"
    parts = cifar.split(dataset.labels)
    cifar.validate_split(parts, dataset.labels, "cifar10-1")
    return dataset.pixels[np.concatenate([parts.query, parts.train])]


def test_both_files_of_the_real_images_give_one_split(real_images):
    expected = queries_and_training_images(real_images / "cifar10.npz")
    assert np.array_equal(queries_and_training_images(real_images / "cifar-10-batches-bin"), expected)


@pytest.mark.slow
def test_folders_of_the_real_images_give_the_same_split(real_images, real_pictures):
    expected = queries_and_training_images(real_images / "cifar10.npz")
    assert np.array_equal(queries_and_training_images(real_pictures), expected)
