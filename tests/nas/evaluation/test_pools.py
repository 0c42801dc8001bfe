"""Wherever candidates are measured, the values are the same; a worker that dies is no riddle."""

from __future__ import annotations

import multiprocessing
import os
import re
import time
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from nas.evaluation.local_pools import InProcess
from nas.evaluation.measurement import ImageMeasurement
from nas.evaluation.pool import MakeMeasure, Pool
from nas.evaluation.pools import open_pool
from nas.evaluation.realize import CandidateRealizer
from nas.evaluation.worker_pool import WorkerPool
from nas.objectives import Failure, Measured, MeasuredEvaluator
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population

# What a worker builds must be importable there, so these tests use the standard library's.
READ_RESOLUTION = partial(eval, "lambda candidate, fidelity: {'pixels': fidelity * candidate.architecture.resolution}")
DIE = partial(os._exit, 1)
SLEEP = partial(eval, "lambda candidate, fidelity: __import__('time').sleep(600)")
RAISE = partial(eval, "nothing")
# What goes wrong with one candidate only: an expression of `candidate`, and the reason that is given.
RAISED = [
    ("abs(candidate)", r"TypeError: bad operand type for abs\(\): 'Candidate'"),
    ("exit('no more')", "SystemExit: no more"),
    ("bytearray(1 << 60)", r"out of memory \(MemoryError\)"),
    ("__import__('torch').empty(1 << 50)", r"out of memory \(RuntimeError: .*alloc.*\)"),
    ("float('-inf')", "pixels is -inf"),
    ("{}", "TypeError: .*"),
]
TIMEOUT_S = 1.0
BROKEN = [
    ("__import__('os').kill(__import__('os').getpid(), 9)", "its worker process .*, twice"),
    ("__import__('time').sleep(600)", "took longer than timeout_s, 1 s"),
]


def measure_most(broken: str, resolution: int) -> MakeMeasure:
    """The expression for candidates of that resolution, 1 for all others."""
    chosen = f"({broken}) if candidate.architecture.resolution == {resolution} else 1.0"
    return partial(eval, f"lambda candidate, fidelity: {{'pixels': {chosen}}}")


def results(pool: Pool, make: MakeMeasure, population: Population) -> list[Measured]:
    futures = [pool.submit(make, candidate, 1.0) for candidate in population.candidates]
    return [future.result(timeout=120) for future in futures]


def measured(pool: Pool, make: MakeMeasure, name: str = "pixels") -> MeasuredEvaluator:
    return MeasuredEvaluator(pool.measuring(make), name)


@pytest.fixture(scope="module")
def population(space: JointSpace) -> Population:
    return space.sample(np.random.default_rng(5), 6)


@pytest.fixture(params=["processes", pytest.param("ray", marks=pytest.mark.ray)])
def ray_address(request: pytest.FixtureRequest) -> str | None:
    """None for local processes."""
    address: str | None = request.getfixturevalue("ray_cluster") if request.param == "ray" else None
    return address


def test_workers_measure_what_this_process_measures(
    measurement: ImageMeasurement, realizer: CandidateRealizer, population: Population, ray_address: str | None
) -> None:
    expected = [realizer.measure_accuracy(population[row]) for row in range(6)]
    assert len(set(expected)) > 1
    with open_pool(2, ray_address) as pool:
        accuracy, resolution = measured(pool, measurement, "accuracy"), measured(pool, READ_RESOLUTION)
        assert accuracy(population).tolist() == expected
        assert resolution(population).tolist() == [population[row].architecture.resolution for row in range(6)]
        assert accuracy(population.take(slice(0, 1))).tolist() == expected[:1]
        low = replace(population.take(slice(0, 1)), fidelity=0.25)
        assert accuracy(low).tolist() == [realizer.measure_accuracy(population[0], 0.25)]
        assert resolution(low).tolist() == [0.25 * population[0].architecture.resolution]


def test_values_keep_the_order_of_the_population(space: JointSpace, ray_address: str | None) -> None:
    many = space.sample(np.random.default_rng(6), 40)
    with open_pool(2, ray_address) as pool:
        resolution = measured(pool, READ_RESOLUTION)
        assert resolution(many).tolist() == [many[row].architecture.resolution for row in range(40)]
        assert resolution(many.take(slice(0, 0))).shape == (0,)


def test_a_worker_that_dies_is_an_error_of_the_system(population: Population, ray_address: str | None) -> None:
    with (
        pytest.raises(OSError, match=r"worker.* died .*start the run again to go on with it"),
        open_pool(2, ray_address) as pool,
    ):
        measured(pool, DIE)(population)


def check_failures(found: list[Measured], population: Population, resolution: int, reason: str) -> None:
    """Whether the candidates of that resolution have failed, and all others are measured."""
    for one, candidate in zip(found, population.candidates, strict=True):
        if candidate.architecture.resolution == resolution:
            assert isinstance(one, Failure)
            assert re.fullmatch(reason, one.reason)
        else:
            assert one == {"pixels": 1.0}


@pytest.mark.parametrize(("broken", "reason"), RAISED)
def test_what_a_candidate_raises_is_its_own_failure(population: Population, broken: str, reason: str) -> None:
    resolution = population[0].architecture.resolution
    with InProcess() as pool:
        check_failures(results(pool, measure_most(broken, resolution), population), population, resolution, reason)


def test_a_candidate_that_ends_or_blocks_its_worker_is_the_only_one_to_fail(
    population: Population, ray_address: str | None
) -> None:
    resolutions = [candidate.architecture.resolution for candidate in population.candidates]
    two = population.take(np.array([0, [one != resolutions[0] for one in resolutions].index(True)]))
    with open_pool(2, ray_address, timeout_s=TIMEOUT_S) as pool:
        for broken, reason in [*BROKEN, RAISED[0]]:
            check_failures(results(pool, measure_most(broken, resolutions[0]), two), two, resolutions[0], reason)


def test_what_no_candidate_can_be_measured_for_is_an_error(population: Population, ray_address: str | None) -> None:
    with pytest.raises(NameError, match="name 'nothing' is not defined"), open_pool(2, ray_address) as pool:
        measured(pool, RAISE)(population)


def test_a_single_candidate_that_fails_has_no_value_to_go_on_with(population: Population) -> None:
    with InProcess() as pool, pytest.raises(ValueError, match=r"could not be measured: TypeError"):
        measured(pool, measure_most("abs(candidate)", population[0].architecture.resolution))(population)


def test_an_interrupt_ends_local_processes_whatever_they_do(population: Population) -> None:
    waiting: list[Future[Any]] = []

    def measure() -> None:
        with open_pool(2, None) as pool:
            waiting.append(pool.submit(SLEEP, population[0], 1.0))
            deadline = time.monotonic() + 60
            while not multiprocessing.active_children():
                assert time.monotonic() < deadline, "no worker process has started within a minute"
                time.sleep(0.01)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure()
    assert waiting[0].done()
    assert not multiprocessing.active_children()


def test_workers_share_a_gpu(ray_cluster: str, population: Population, measurement: ImageMeasurement) -> None:
    ray = pytest.importorskip("ray")
    with open_pool(1, ray_cluster, 0.25) as pool:
        assert len(measured(pool, READ_RESOLUTION)(population)) == 6
        assert ray.cluster_resources()["GPU"] - ray.available_resources()["GPU"] == 0.25
        if not torch.cuda.is_available():  # the GPU of this cluster is a number
            with pytest.raises(ValueError, match="torch finds no GPU in this worker; leave out --gpus-per-worker"):
                measured(pool, replace(measurement, processor="cuda"), "accuracy")(population)


def test_one_worker_without_ray_is_this_process(population: Population) -> None:
    with open_pool(1, None) as pool:
        assert isinstance(pool, InProcess)
        assert measured(pool, READ_RESOLUTION)(population).tolist() == [
            population[row].architecture.resolution for row in range(6)
        ]
    with open_pool(2, None) as pool:
        assert isinstance(pool, WorkerPool)
