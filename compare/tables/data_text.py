"""What the table says of the images: classes, split, what is ranked, and leaks."""

from shared.config.protocols import DATASETS, LISTED
from shared.config.recipe import Recipe
from shared.system.errors import printable
from shared.training.runs import Run

_MOST_NAMED = 10


def leak_notes(runs: list[Run]) -> list[str]:
    """A line for each seed whose split has the same images among the queries and in database or training set."""
    results = [run.result() for run in runs]
    found = {r["seed"]: (r["leaked_queries"], r["retrieval"]["queries"]) for r in results if r["leaked_queries"]}
    return [
        f"Seed {seed}: the split leaks: {leaked} of {queries} queries are, pixel by pixel, images of the database or "
        "the training set, which raises the scores."
        for seed, (leaked, queries) in sorted(found.items())
    ]


def classes_text(recipe: Recipe) -> str:
    """ " of 3 classes (disc, square, triangle)", where the data set's name does not say it."""
    if DATASETS[recipe.dataset] is not None:
        return ""
    named = ", ".join(recipe.class_names[:_MOST_NAMED]) + (", ..." if len(recipe.class_names) > _MOST_NAMED else "")
    return f" of {recipe.num_classes} classes" + (f" ({printable(named, 200)})" if named else "")


def ranking_text(recipe: Recipe) -> str:
    """What the scores are of: the whole ranking, or its first items."""
    return f"the first {recipe.topk} items of the database ranking" if recipe.topk else "the full database ranking"


def split_text(recipe: Recipe) -> str:
    """How many queries and training images there are, and what the database is."""
    if recipe.protocol == LISTED:
        return f"{recipe.listed_train} training images, queries and database as the files list them"
    rule, classes = recipe.rule, recipe.num_classes
    return f"{classes * rule.query} queries, {classes * rule.train} training images, database {rule.database}"
