from __future__ import annotations

import pandas as pd
import pytest

from search_spaces.elastic.registry import supernet
from search_spaces.tabular import TabularSpace


def test_a_family_without_supernet_is_told_which_have_one() -> None:
    space = TabularSpace("table", pd.DataFrame({"gene": [0, 1]}), ["gene"])
    with pytest.raises(ValueError, match=r"TabularSpace has no supernet; .*: MobileNetV3Space, ResNetSpace"):
        supernet(space, seed=0)
