"""Which families of kernels a recipe takes: every spelling of one set is one recipe, and nonsense is refused."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.config.kernels import FAMILIES, canonical, check_kernels, shared_families, takes
from shared.config.recipe import PRESETS, recipe_from_dict
from shared.system.errors import UserError

DEMO = PRESETS["demo"]


@given(st.sets(st.sampled_from(FAMILIES)), st.randoms())
def test_every_spelling_of_a_set_has_one_canonical_form_and_one_digest(families, random):
    taken, given_back = sorted(families), sorted(set(FAMILIES) - families)
    random.shuffle(taken)
    random.shuffle(given_back)
    spellings = ["+".join(["native", *taken]), "-".join(["shared", *given_back])]
    assert {shared_families(text) for text in spellings} == {frozenset(families)}
    assert len({canonical(text) for text in spellings}) == 1
    assert shared_families(canonical(spellings[0])) == families
    assert len({dataclasses.replace(DEMO, kernels=text).digest() for text in spellings}) == 1


def test_a_group_stands_for_its_families():
    assert shared_families("native+conv") == {"conv.fwd", "conv.dx", "conv.dw", "conv.db"}
    assert shared_families("shared-conv-linear") == {"pool", "ce", "penalty", "sgd"}
    assert canonical("shared-conv.fwd-conv.dx-conv.db-conv.dw-ce") == "shared-conv-ce"
    assert takes("conv", shared_families("native+conv.dx"))
    assert not takes("linear", shared_families("native+conv.dx"))


def test_native_kernels_leave_digests_as_they_were_and_others_do_not():
    assert dataclasses.replace(DEMO, kernels="native").digest() == DEMO.digest()
    digests = {dataclasses.replace(DEMO, kernels=text).digest() for text in ("native", "shared", "native+ce")}
    assert len(digests) == 3


def test_a_stored_recipe_keeps_the_canonical_form():
    recipe = dataclasses.replace(DEMO, kernels="shared-linear.dx-conv.fwd")
    stored = json.loads(json.dumps(dataclasses.asdict(recipe)))
    assert stored["kernels"] == "shared-conv.fwd-linear.dx"
    assert recipe_from_dict(stored, "r.json") == recipe
    del stored["kernels"]
    assert recipe_from_dict(stored, "r.json").kernels == "native"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "x",
            "Shared",
            "shared+ce",
            "native-ce",
            "shared-",
            "native+",
            "native+relu",
            "shared-conv.up",
            "sharedce",
        ),
        *("native+ce-sgd", "shared-ce.", "native+conv.", "native ", "shared-ce\n"),
    ],
)
def test_nonsense_is_refused_in_one_line(text):
    with pytest.raises(UserError, match=r"^kernels: expected native, shared, native\+FAMILY") as refused:
        dataclasses.replace(DEMO, kernels=text)
    assert "\n" not in str(refused.value)


def test_a_gpu_and_several_processes_are_refused_for_shared_kernels_alone():
    check_kernels("native", "cuda", 8)
    check_kernels("shared", "cpu", 1)
    with pytest.raises(UserError, match="kernels native\\+ce: expected a CPU"):
        check_kernels("native+ce", "cuda")
    with pytest.raises(UserError, match="kernels shared: expected one process, received 2"):
        check_kernels("shared", "cpu", 2)
