"""What cannot be had of a Ray cluster is said in one line, before Ray is asked and waits for minutes."""

from __future__ import annotations

import pytest

from nas.cluster import check_gpus, ray_failure, ray_session


@pytest.mark.parametrize(
    "address", ["host", "host:", ":6379", "host:99999", "ray://host", "me:hunter2@host:6379", "host:hunter2"]
)
def test_an_address_names_host_and_port_and_no_password_is_shown(address: str) -> None:
    pytest.importorskip("ray")
    with pytest.raises(ValueError, match="'auto' or host:port") as caught, ray_session(address, 1):
        pass
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("share", [-0.5, 0.00001, 1.5])
def test_a_worker_takes_a_share_of_a_gpu_that_ray_keeps(share: float) -> None:
    with pytest.raises(ValueError, match=r"0, or from 0.0001 to 1 GPU"):
        check_gpus(share)
    for allowed in (0, 0.0001, 1):
        check_gpus(allowed)


def test_a_failure_says_why_and_what_to_do() -> None:
    error = ray_failure("a Ray worker died", RuntimeError("a trace\nof many lines\nout of memory "))
    assert str(error) == "a Ray worker died (out of memory); start the run again to go on with it"
    assert "(KeyError)" in str(ray_failure("a Ray worker died", KeyError()))
