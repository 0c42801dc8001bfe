"""ResNet-20 within a latency: networks of a front by `nas compress` against the network as given and uniform int8.

In: the folder of the reference data. Out: rows of the table in `README.md`. A job with the objectives accuracy and
latency in onnxruntime, by a table of this machine, is searched and exported. Accuracy is that of the ONNX files on all
10,000 test images, which nothing else has seen; all files are timed in turns. Uniform policies are repaired as well.
A reference is dominated if a network of the front is not less accurate, and faster. With `--quality explained_variance`
the objective is how much of the outputs of the network as given is kept, which tells networks apart by fewer images.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from report import row
from resnet20_jobs import open_job

from nas.jobs.run import run_job
from nas.jobs.stages.network_files import export_network, time_files
from nas.jobs.stages.profile import table_of_this_machine
from nas.jobs.workspace import Workspace
from search_spaces.candidate import Candidate
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy

JOB: dict[str, Any] = {
    "data": {"limit": 4000},  # 800 of which validate
    "space": {"policies": ["w32a32", "w8a8", "w7a8"]},  # weights of fewer bits run as those of 7
    "device": {"name": "onnxruntime_cpu", "calibration_networks": 40},
    "search": {"evaluations": 16, "stop": None, "objectives": ["accuracy", "latency_ms"]},
    "export": {"count": 4},
}
REFERENCES = {"fp32": "w32a32", "uniform int8": "w8a8", "uniform 7-bit weights": "w7a8"}
COMMAND = "python benchmarks/latency_front.py DATA"


def export_uniform(workspace: Workspace, folder: Path) -> dict[Candidate, tuple[Path, float]]:
    """The file and the test accuracy of the network with the same policy in all layers, by candidate."""
    subject, found = workspace.subject, {}
    realizer, architecture = subject.realizer(), subject.space.architectures.largest()
    folder.mkdir(parents=True, exist_ok=True)
    for text in REFERENCES.values():
        policy = CompressionPolicy((LayerPolicy.parse(text),) * len(subject.space.slots))
        candidate, file = Candidate(architecture, policy), folder / f"{text}.onnx"
        network = realizer.realize(candidate)
        tested = export_network(network, architecture.resolution, realizer, subject, file)
        found[candidate] = file, tested["accuracy"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder of the reference data")
    parser.add_argument("--runs", type=Path, default=Path("runs/latency_front"), help="what was stopped goes on there")
    parser.add_argument("--quality", default="accuracy", help="the objective besides latency")
    arguments = parser.parse_args()
    search = {**JOB["search"], "objectives": [arguments.quality, "latency_ms"]}
    if arguments.quality != "accuracy":
        search["limits"] = {"accuracy": 50.0}  # excludes nothing, but files are tested by what is measured
    command = COMMAND + f" --quality {arguments.quality}" * (arguments.quality != "accuracy")
    with open_job(arguments.data, arguments.runs, "latency-front", {**JOB, "search": search}) as workspace:
        exported = run_job(workspace)
        references = export_uniform(workspace, arguments.runs / "uniform")
        networks, table = exported.networks, table_of_this_machine(workspace.table_request)
        files = [*(file for file, _ in references.values()), *(exported.folder / name for name in networks["file"])]
        candidates = [*references, *map(workspace.database.candidate, networks["key"])]
        latency_ms = time_files(table, files, candidates, workspace.data)
    percent = [*(tested for _, tested in references.values()), *networks["test_accuracy"]]
    found, what = [*zip(latency_ms, percent, strict=True)], "ResNet-20 in onnxruntime, batch 1"
    front = sorted(found[len(references) :])
    for name, (limit_ms, least) in zip(REFERENCES, found, strict=False):
        print(row(f"{what}, {name}, accuracy", [least], "{:.2f} %", "1", command, 1))
        if within := [one for one in front if one[1] >= least]:
            target = f"{what}, fastest of {len(front)} networks of a front as accurate as {name}: latency over its"
            print(row(f"{target}: below 1", [within[0][0] / limit_ms], "{:.2f}", "1", command, 1))
    for ms, one in front:
        share = ms / found[0][0]
        print(row(f"{what}, front, accuracy at {share:.2f} of the latency of fp32", [one], "{:.2f} %", "1", command, 1))


if __name__ == "__main__":
    main()
