"""How many failures a run bears, and what is said of them."""

from __future__ import annotations

import pytest

from nas.search.runner.failures import FailedCandidate, FailureTally, TooManyFailures, count_reasons


def fail(count: int, reason: str = "out of memory") -> list[FailedCandidate]:
    return [FailedCandidate(f"{number:016x}", reason) for number in range(count)]


@pytest.mark.parametrize(
    ("evaluations", "share", "borne"),
    [(200, 0.1, 20), (100, 0.29, 29), (3, 0.1, 1), (1, 0.1, 1), (200, 0.0, 0), (9, 1.0, 9)],
)
def test_a_share_is_borne_and_at_least_one(evaluations: int, share: float, borne: int) -> None:
    tally = FailureTally(evaluations, share)
    tally.add(fail(borne), asked=borne)
    tally.add([], asked=evaluations)
    with pytest.raises(TooManyFailures, match=f"{borne + 1} of the first {evaluations} evaluations failed"):
        tally.add(fail(1), asked=evaluations)


def test_evaluations_at_a_low_fidelity_are_evaluations() -> None:
    tally = FailureTally(10)
    tally.add(fail(1), asked=5)
    tally.add(fail(4), asked=50)


def test_the_commonest_reason_is_named_whatever_its_numbers() -> None:
    tally = FailureTally(10)
    with pytest.raises(TooManyFailures) as caught:
        tally.add([*fail(2, "KeyError: 'a'"), *fail(1, "needs 512 bytes"), *fail(2, "needs 1024.5 bytes")], asked=10)
    assert str(caught.value) == (
        "5 of the first 10 evaluations failed, and 1 of 10 may (most_failures is 0.1); the commonest reason "
        "(3 times, first for candidate 0000000000000000): needs 512 bytes; raising search.most_failures "
        "continues this run, whose failures are kept; once the cause is put right, another seed or name of the job "
        "begins a new run"
    )
    assert count_reasons(tally.failed) == [
        ("needs 512 bytes", 3, "0000000000000000"),
        ("KeyError: 'a'", 2, "0000000000000000"),
    ]
