"""What codes look like: every number of codes whose answer is known by hand, and of random ones by brute force."""

import numpy as np
import pytest

from shared.codes.packing import pack_codes, unpack_codes
from shared.scoring import code_quality as module
from shared.scoring.code_quality import code_quality, entropy, off_diagonal

# two classes, each of one code but for its last image; bit 3 is constant
BITS = np.array([[1, 0, 1, 1], [1, 0, 1, 1], [1, 0, 0, 1], [0, 1, 0, 1], [0, 1, 0, 1], [0, 1, 1, 1]], bool)
LABELS = np.array([4, 4, 4, 7, 7, 7])


def quality_of(bits, labels, bit_margin=None):
    return code_quality(pack_codes(bits), bits.shape[1], labels, bit_margin)


def test_codes_known_by_hand():
    quality = quality_of(BITS, LABELS)
    assert (quality.items, quality.classes, quality.distinct) == (6, 2, 4)
    assert quality.balance.tolist() == [0.5, 0.5, 0.5, 1.0]
    assert entropy(quality.balance).tolist() == [1.0, 1.0, 1.0, 0.0]
    third = 1 / 3
    expected = [[1, -1, third, 0], [-1, 1, -third, 0], [third, -third, 1, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(quality.correlation, expected, atol=1e-15)
    assert off_diagonal(quality.correlation).tolist() == pytest.approx([1, third, 0, third, 0, 0])
    # of three pairs in a class two differ in one bit; of nine pairs between, five in two bits and four in three
    assert quality.within == pytest.approx(2 / 3)
    assert quality.between == pytest.approx((5 * 3 + 4 * 2) / 9)
    assert quality.warning == ""


def test_entropy_of_a_biased_bit():
    assert entropy(np.array([0.25]))[0] == pytest.approx(0.25 * 2 + 0.75 * np.log2(4 / 3))


@pytest.mark.parametrize("several", [False, True], ids=["class ids", "multi-hot rows"])
@pytest.mark.parametrize("bits", [1, 12, 70])
def test_numbers_are_those_of_all_pairs(bits, several, monkeypatch):
    """Block by block, the last one shorter, and classes by classes."""
    monkeypatch.setattr(module, "_BITS_AT_ONCE", 7 * bits)
    monkeypatch.setattr(module, "_CLASSES_AT_ONCE", 3)
    generator = np.random.RandomState(bits)
    codes = generator.rand(60, bits) < np.linspace(0.2, 0.9, bits)
    labels = generator.rand(60, 5) < 0.3 if several else generator.randint(0, 8, 60)
    quality = quality_of(codes, labels)
    related = labels.astype(int) @ labels.T.astype(int) > 0 if several else labels[:, None] == labels
    distance = (codes[:, None] != codes).sum(axis=2)
    different = ~np.eye(60, dtype=bool)
    assert quality.within == pytest.approx(distance[related & different].mean(), rel=1e-12)
    assert quality.between == pytest.approx(distance[~related & different].mean(), rel=1e-12)
    np.testing.assert_allclose(quality.balance, codes.mean(axis=0), rtol=1e-12)
    if bits > 1:
        np.testing.assert_allclose(quality.correlation, np.corrcoef(codes.T), atol=1e-12)
    assert quality.distinct == len(np.unique(codes, axis=0))


def test_no_pair_has_no_distance():
    one_class, all_apart = quality_of(BITS, np.zeros(6, np.int64)), quality_of(BITS, np.arange(6))
    assert one_class.between is None
    assert one_class.within > 0
    assert all_apart.within is None
    alone = quality_of(BITS[:1], LABELS[:1])
    assert (alone.within, alone.between, alone.warning) == (None, None, "")


def test_quantization_error_is_that_of_the_hash_logits():
    hash_logits = np.array([[1.0, -1.0], [3.0, -0.5]], np.float32)
    quality = quality_of(hash_logits > 0, np.array([0, 1]), np.abs(hash_logits))
    assert quality.quantization_error == (0 + 0 + 4 + 0.25) / 4
    assert quality_of(hash_logits > 0, np.array([0, 1])).quantization_error is None


def test_picture_is_the_pca_of_signs():
    """Each point is where NumPy's SVD of the centred codes puts it, but for a component's sign."""
    generator = np.random.RandomState(3)
    codes = generator.rand(80, 6) < [0.5, 0.9, 0.5, 0.4, 0.2, 0.6]
    codes[:, 1] |= codes[:, 0]
    labels = np.arange(80) % 3
    shown = quality_of(codes, labels).projection
    signs = 2.0 * codes - 1
    centred = signs - signs.mean(axis=0)
    _, sizes, rows = np.linalg.svd(centred, full_matrices=False)
    largest = rows[np.arange(2), np.abs(rows[:2]).argmax(axis=1)]
    points = centred @ (rows[:2] * np.sign(largest)[:, None]).T
    expected = sorted({(*point.round(4).tolist(), label) for point, label in zip(points, labels, strict=True)})
    found = sorted(zip(*shown.points.T.tolist(), shown.labels.tolist(), strict=True))
    np.testing.assert_allclose(found, expected, atol=1.1e-4)
    assert shown.items.sum() == 80
    np.testing.assert_allclose(shown.explained, (sizes**2)[:2] / (sizes**2).sum(), rtol=1e-9)


def test_picture_of_two_codes_is_a_line():
    """Equal weights: the first is the positive one. All bits differ, so the points lie sqrt(bits) from the middle."""
    bits = np.array([[1, 1, 0, 0], [0, 0, 1, 1]] * 3, bool)
    shown = quality_of(bits, np.array([0, 1] * 3)).projection
    assert shown.points.tolist() == [[-2.0, 0.0], [2.0, 0.0]]
    assert shown.labels.tolist() == [1, 0]
    assert shown.items.tolist() == [3, 3]
    assert shown.explained.tolist() == pytest.approx([1, 0])


def test_picture_depends_on_no_order_and_collapsed_codes_have_one_place():
    collapsed = quality_of(np.ones((5, 3), bool), np.arange(5)).projection
    assert collapsed.points.tolist() == [[0.0, 0.0]] * 5
    assert collapsed.explained.tolist() == [0.0, 0.0]
    order = np.random.RandomState(0).permutation(6)
    first, second = (quality_of(BITS[rows], LABELS[rows]).projection for rows in (np.arange(6), order))
    assert first.points.tolist() == second.points.tolist()
    assert first.items.tolist() == second.items.tolist()


def test_picture_shows_the_first_of_each_class():
    """A hundred of each, and fewer where there are many classes."""
    generator = np.random.RandomState(1)
    codes = generator.rand(900, 30) > 0.5
    labels = np.arange(900) % 3
    shown = quality_of(codes, labels).projection
    assert np.bincount(shown.labels, weights=shown.items).tolist() == [100, 100, 100]
    first = quality_of(codes[:300], labels[:300]).projection
    assert len(first.points) == len(shown.points) == 300
    many = quality_of(codes, np.arange(900) % 300).projection
    assert np.bincount(many.labels, weights=many.items).max() == 3  # all there are
    fewer = quality_of(np.tile(codes, (3, 1)), np.arange(2700) % 900).projection
    assert np.bincount(fewer.labels, weights=fewer.items).tolist() == [2.0] * 900


@pytest.mark.parametrize(
    ("distinct", "warning"),
    [
        (1, "collapsed: all 40 images have one and the same code"),
        (2, "collapsed: 40 images of 4 classes have 2 different codes"),
        (7, "nearly collapsed: 40 images of 4 classes have 7 different codes, fewer than two a class"),
        (8, ""),
    ],
)
def test_warning_of_few_codes(distinct, warning):
    numbers = np.arange(40)
    codes = unpack_codes((numbers % distinct).astype(np.uint64)[:, None], 5)
    assert quality_of(codes, numbers % 4).warning == warning


def test_summary_holds_every_number():
    summary = quality_of(BITS, LABELS).summary()
    assert summary["distinct"] == 4
    assert summary["balance"] == [0.5, 0.5, 0.5, 1.0]
    assert summary["entropy"] == [1.0, 1.0, 1.0, 0.0]
    assert summary["quantization_error"] is None
    assert summary["warning"] == ""
    assert summary["correlation"] == pytest.approx({"mean": (1 + 2 / 3) / 6, "largest": 1})
    assert quality_of(BITS[:, :1], LABELS).summary()["correlation"] is None
