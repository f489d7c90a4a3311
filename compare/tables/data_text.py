"""What the table says of the images: classes, split and its flaws, and what is ranked."""

from shared.config.protocols import DATASETS, LISTED
from shared.config.recipe import Recipe
from shared.system.errors import printable
from shared.training.runs import Run

_MOST_NAMED = 10


def split_notes(runs: list[Run]) -> list[str]:
    """Lines on each seed whose split has the same images among the queries and in database or training set.

    And on each with queries to which nothing in the database is relevant.
    """
    notes = []
    for seed, result in sorted({result["seed"]: result for result in (run.result() for run in runs)}.items()):
        queries, alone = result["retrieval"]["queries"], result["retrieval"]["queries_without_relevant"]
        if result["leaked_queries"]:
            notes.append(
                f"Seed {seed}: the split leaks: {result['leaked_queries']} of {queries} queries are, pixel by pixel, "
                "images of the database or the training set, which raises the scores."
            )
        if alone:
            notes.append(f"Seed {seed}: {alone} of {queries} queries have no relevant item, and count as 0.")
    return notes


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
