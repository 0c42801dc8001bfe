"""Samples are held out and chosen by strata, and always in the same way."""

from __future__ import annotations

import torch

from nas.data.splitting import balance, hold_out

STRATA = torch.tensor([0] * 70 + [1] * 25 + [2] * 5)


def test_a_fifth_of_every_stratum_is_held_out() -> None:
    held, kept = hold_out(STRATA, 0)
    assert torch.cat([held, kept]).sort().values.tolist() == list(range(100))
    assert torch.bincount(STRATA[held]).tolist() == [14, 5, 1]
    assert not torch.equal(held, hold_out(STRATA, 1)[0])
    assert torch.equal(held, hold_out(STRATA, 0)[0])


def test_a_limit_takes_as_many_of_each_stratum_as_there_are() -> None:
    for limit, counts in ((30, [13, 12, 5]), (6, [2, 2, 2]), (90, [60, 25, 5])):
        rows = balance(STRATA, limit, 0)
        found = torch.bincount(STRATA[rows])
        assert len(rows) == limit
        assert rows.tolist() == sorted(set(rows.tolist()))
        assert sorted(found.tolist(), reverse=True)[0] - counts[0] in (0, 1, -1)
        assert found.sub(torch.tensor(counts)).abs().max() <= 1
    assert torch.equal(balance(STRATA, 1000, 0), torch.arange(100))
    assert not torch.equal(balance(STRATA, 30, 0), balance(STRATA, 30, 1))
