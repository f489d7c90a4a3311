"""Parquet as Hugging Face's data sets have it: read where pyarrow is, and one line that says so where it is not."""

import io
import json
import sys

import numpy as np
import pytest
from PIL import Image

from shared.data import cifar, parquet
from shared.data.collection import Reading
from shared.system.errors import UserError

NAMES = ["cat", "dog", "emu"]


def encoded(pixels):
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def write(path, pixels, labels, names=NAMES, **others):
    """A file with a column img of records, as ``datasets`` writes it, and one of labels."""
    arrow, tables = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    cells = [{"bytes": encoded(image), "path": f"{i}.png"} for i, image in enumerate(pixels)]
    table = arrow.table({"img": cells, "label": np.asarray(labels), **others})
    features = {"label": {"names": names, "_type": "ClassLabel"}, "img": {"_type": "Image"}}
    described = json.dumps({"info": {"features": features}}) if names else "{"
    tables.write_table(table.replace_schema_metadata({"huggingface": described}), path)


@pytest.fixture
def images():
    return np.random.RandomState(0).randint(0, 256, (9, 8, 8, 3)).astype(np.uint8)


def test_without_pyarrow_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    for name in ("train-00000-of-00001.parquet", "test-00000-of-00001.parquet"):
        (tmp_path / name).write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"needs pyarrow in every interpreter .* -m pip install pyarrow$") as error:
        cifar.load(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("names", [("train-0.parquet", "other.parquet"), ("train-0.parquet", "train-1.parquet")])
def test_files_that_are_no_train_and_test_are_refused(names, tmp_path):
    for name in names:
        (tmp_path / name).write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"expected train-\*\.parquet and test-\*\.parquet of one data set, received"):
        cifar.load(tmp_path)


def test_train_and_test_files_are_read_with_names_and_split(images, tmp_path):
    (tmp_path / "plain_text").mkdir()
    write(tmp_path / "plain_text" / "train-00000-of-00001.parquet", images[:6], [0, 1, 2, 0, 1, 2])
    write(tmp_path / "plain_text" / "test-00000-of-00001.parquet", images[6:], [2, 1, 0])
    dataset = cifar.load(tmp_path)
    np.testing.assert_array_equal(dataset.pixels, images)
    assert (dataset.labels.tolist(), dataset.class_names) == ([0, 1, 2, 0, 1, 2, 2, 1, 0], tuple(NAMES))
    assert (dataset.listed.query.tolist(), len(dataset.listed.train)) == ([6, 7, 8], 6)


def test_one_file_is_taken_whole_and_may_have_no_names(images, tmp_path):
    write(tmp_path / "all.parquet", images, [0, 1, 2] * 3, names=None)
    dataset = cifar.load(tmp_path / "all.parquet", reading=Reading(64))
    assert (dataset.num_classes, dataset.class_names, dataset.listed) == (3, (), None)


def test_damage_and_other_columns_are_named(images, tmp_path):
    write(tmp_path / "a.parquet", images, [0, 1, 2] * 3)
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "b.parquet").write_bytes(whole[:-20])
    with pytest.raises(UserError, match="received a damaged file"):
        cifar.load(tmp_path / "b.parquet")
    write(tmp_path / "c.parquet", images, ["cat"] * 9)
    with pytest.raises(UserError, match="expected a column of pictures and one of labels called label"):
        cifar.load(tmp_path / "c.parquet")
    write(tmp_path / "d.parquet", images, [0, 1, 2] * 3, names=NAMES[:2])
    with pytest.raises(UserError, match="expected a class name for every label"):
        cifar.load(tmp_path / "d.parquet")


def test_more_than_memory_may_hold_is_refused_by_the_header(images, tmp_path, monkeypatch):
    write(tmp_path / "a.parquet", images, [0, 1, 2] * 3)
    monkeypatch.setattr(parquet, "MOST_BYTES", 100)
    with pytest.raises(UserError, match="expected at most 100 bytes of columns"):
        cifar.load(tmp_path / "a.parquet")
