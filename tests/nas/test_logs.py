"""A library is silent while a block runs, and as loud as before afterwards, whatever the block raises."""

from __future__ import annotations

import logging

import pytest

from nas.logs import quiet


def test_a_log_is_held_back_while_a_block_runs(caplog: pytest.LogCaptureFixture) -> None:
    library = logging.getLogger("some.library")

    def fail() -> None:
        with quiet("some.library"):
            library.error("at length")
            raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        fail()
    library.error("afterwards")
    assert caplog.messages == ["afterwards"]
