"""The table of what runtimes load is in order."""

from __future__ import annotations

import pytest

from nas.export.runtimes import RUNTIMES, format_version


@pytest.mark.parametrize("name", RUNTIMES)
def test_a_newer_opset_needs_no_older_release(name: str) -> None:
    runtime = RUNTIMES[name]
    assert runtime.name == name
    opsets = sorted(runtime.opsets)
    releases = [runtime.opsets[opset] for opset in opsets]
    assert releases == sorted(releases)
    assert runtime.find_release(opsets[-1] + 1) is None
    assert format_version((1, 20, 1)) == "1.20.1"
