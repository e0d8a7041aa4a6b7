"""The table of fences stays true: every text that can be taken out is there once, and so are the tests."""

from __future__ import annotations

import ast
from collections import Counter

import pytest
from fences.table import ROOT, Fence, read_fences
from sources import PACKAGES, functions_of

FENCES = read_fences()


def test_every_fence_has_a_name_of_its_own() -> None:
    assert [name for name, count in Counter(fence.id for fence in FENCES).items() if count > 1] == []


@pytest.mark.parametrize("fence", FENCES, ids=lambda fence: fence.id)
def test_a_fence_can_be_taken_out_and_leaves_python_behind(fence: Fence) -> None:
    for cut in fence.cuts:
        assert cut.file.split("/")[0] in PACKAGES
        assert cut.text != cut.instead
    for file, text in fence.without(ROOT).items():
        if file.endswith(".py"):
            ast.parse(text)
    assert (len(fence.cuts) > 1) <= (fence.behind is not None), "more than one cut: say why one is not enough"


@pytest.mark.parametrize("fence", FENCES, ids=lambda fence: fence.id)
def test_the_tests_of_a_fence_exist(fence: Fence) -> None:
    assert fence.tests
    for test in fence.tests:
        path, _, name = test.partition("::")
        assert name.partition("[")[0] in functions_of(path)
