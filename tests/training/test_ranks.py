"""What the ranks of one training share: every batch and the encoding, and a folder that all of them see."""

from pathlib import Path

import numpy as np
import pytest

from shared.codes.codes import encoded_index
from shared.data import cifar
from shared.system.errors import UserError
from shared.system.progress import Progress
from shared.training.job import Job
from shared.training.ranks import Ranks
from shared.training.runs import Run
from tests.helpers import batch_arrays, small_recipe

# the fourth and last batch of an epoch is one image: the parts of two ranks differ, and one of them is empty
RECIPE = small_recipe(epochs=2, batch_size=333, width=1 / 32)


def job_of(recipe, rank, size):
    images = cifar.load(cifar.DIGITS)
    split = cifar.split(images.labels, recipe.protocol, recipe.seed)
    return Job(Run(Path("unused")), recipe, images, split, {}, "cpu", {}, Progress(), ranks=Ranks(rank, size))


@pytest.mark.parametrize("size", [2, 3, 7])
def test_ranks_share_every_batch(size):
    """Their parts are the batch with its masks, in order, and their weighted means add up to its mean."""
    epochs = [job_of(RECIPE, rank, size).epoch(1) for rank in range(size)]
    whole = job_of(RECIPE, 0, 1).epoch(1)
    for batch, *shares in zip(whole.batches, *(epoch.batches for epoch in epochs), strict=True):
        index, masks = batch_arrays(whole, batch)
        arrays = [batch_arrays(epoch, share) for epoch, share in zip(epochs, shares, strict=True)]
        counted = [array for array, share in zip(arrays, shares, strict=True) if share.count]
        assert [len(share_index) for share_index, _ in arrays] == [share.count or 1 for share in shares]
        assert np.array_equal(np.concatenate([share_index for share_index, _ in counted]), index)
        for layer in (0, 1):
            assert np.array_equal(np.concatenate([share_masks[layer] for _, share_masks in counted]), masks[layer])
        mean = sum(array[0].mean() * share.weight for array, share in zip(arrays, shares, strict=True)) / size
        assert mean == pytest.approx(index.mean(), rel=1e-12)
    assert batch.count == 1


def test_one_process_counts_in_full():
    epoch = job_of(RECIPE, 0, 1).epoch(1)
    assert all(batch.count == len(epoch.index[batch.images]) and batch.weight == 1 for batch in epoch.batches)


def test_ranks_draw_their_own_native_masks():
    seeds = [job_of(RECIPE, rank, 2).native_seed(epoch) for rank in (0, 1) for epoch in (1, 2)]
    assert len(set(seeds)) == 4


def test_ranks_share_the_encoding():
    index = encoded_index(job_of(RECIPE, 0, 1).split)
    for size in (2, 3, len(index) + 1):
        shares = [index[Ranks(rank, size).share(len(index))] for rank in range(size)]
        assert np.array_equal(np.concatenate(shares), index)


def test_ranks_that_see_different_folders_are_refused():
    ranks = Ranks(0, 2, lambda value: [value, ("another", 0)])
    with pytest.raises(UserError, match="a file system that they share"):
        ranks.check_same(("digest", 0))
