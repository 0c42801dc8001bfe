"""Every form of stored weights in every release of onnxruntime since 1.20: the table of releases in `README.md`.

In: the folder of the reference data, and one for an environment per release, which is made where it is not there.
ResNet-20 with its weights at 2 to 8 bits in turn is written in each form; the environment of a release, which has
numpy and onnxruntime alone, runs the files on 64 inputs. Outputs must be those of the same release on the file of
bytes, bit by bit; layers that run in integers are counted in its profile.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import venv
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch
from compress_resnet20 import traced_resnet20

from nas.compression.calibration_data import CalibrationData
from nas.compression.compress import calibrate
from nas.compression.integer_biases import round_biases
from nas.compression.subject import CompressionSubject
from nas.export.onnx_graph_network import traced_to_onnx
from nas.export.target import ExportTarget
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy

RELEASES = (
    "1.20.0", "1.20.1", "1.21.0", "1.21.1", "1.22.0", "1.22.1", "1.23.0", "1.23.1", "1.23.2", "1.24.1", "1.24.2",
    "1.24.3", "1.24.4", "1.25.0", "1.25.1", "1.26.0", "1.27.0", "1.28.0", "1.29.0", "1.30.0", "1.31.0", "1.31.1",
    "1.32.0",
)  # fmt: skip
FORMS = {
    "bytes": ExportTarget(storage="bytes"),
    "planes of bits": ExportTarget(),
    "4-bit type": ExportTarget(oldest=(1, 23)),
    "4- and 2-bit types": ExportTarget(oldest=(1, 24)),
}
# Runs in the environment of a release: prints, for each file, whether outputs are equal, and counts integer layers.
PROBE = """
import json, os, sys
import numpy as np
import onnxruntime
inputs, expected = np.load(sys.argv[1]), None
for name in sys.argv[2:]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    try:
        onnxruntime.InferenceSession(name, options, providers=["CPUExecutionProvider"])
    except Exception:
        print(json.dumps(None))
        continue
    options.enable_profiling, options.profile_file_prefix = True, name
    session = onnxruntime.InferenceSession(name, options, providers=["CPUExecutionProvider"])
    (outputs,) = session.run(None, {session.get_inputs()[0].name: inputs})
    expected = outputs if expected is None else expected
    profile = session.end_profiling()
    with open(profile) as file:
        kinds = [event.get("args", {}).get("op_name") for event in json.load(file) if "kernel_time" in event["name"]]
    os.remove(profile)
    count = sum(kind in ("QLinearConv", "QGemm") for kind in kinds)
    unpacking = sum(kind in ("BitShift", "Gather", "Split") for kind in kinds)
    print(json.dumps([bool(np.array_equal(outputs, expected)), count, unpacking]))
"""


def write_forms(data: Path, folder: Path) -> list[Path]:
    """Writes a file for each form, that of bytes first, and the inputs."""
    traced, inputs = traced_resnet20(data), torch.randn(64, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    subject = CompressionSubject.uniform_choices(traced, [LayerPolicy()], CalibrationData(inputs))
    bits = islice(cycle(range(2, 9)), len(traced.graph.layers))
    network = subject.compress(CompressionPolicy(tuple(LayerPolicy.quantized(one, 8) for one in bits)))
    calibrate(network, [inputs])
    round_biases(network)
    files = []
    for name, target in FORMS.items():
        files.append(folder / f"{name.replace(' ', '-')}.onnx")
        files[-1].write_bytes(traced_to_onnx(network, [inputs[:2]], target))
    np.save(folder / "inputs.npy", inputs.numpy())
    return files


def make_environment(release: str, folder: Path) -> Path:
    """The Python of an environment that has a release of onnxruntime."""
    python = folder / release / "bin" / "python"
    if not python.exists():
        venv.create(folder / release)
    wanted = [f"onnxruntime=={release}", "numpy"]
    subprocess.run([sys.executable, "-m", "pip", "--python", python, "install", "--quiet", *wanted], check=True)
    return python


def describe(found: list[int] | None) -> str:
    if found is None:
        return "not loaded"
    equal, count, unpacking = found
    return f"{'equal' if equal else 'DIFFERS'}, {count}" + (f", {unpacking} NODES OF UNPACKING" if unpacking else "")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder of the reference data")
    parser.add_argument("folder", type=Path, help="for the environments and the files")
    parser.add_argument("--releases", nargs="+", default=RELEASES, help="releases of onnxruntime")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    files = write_forms(arguments.data, arguments.folder)
    sizes = " | ".join(f"{file.stat().st_size:,}" for file in files)
    print(f"| onnxruntime | {' | '.join(FORMS)} |\n|{' --- |' * (len(FORMS) + 1)}\n| bytes of the file | {sizes} |")
    for release in arguments.releases:
        python = make_environment(release, arguments.folder)
        given = [arguments.folder / "inputs.npy", *files]
        said = subprocess.run([python, "-c", PROBE, *given], check=True, capture_output=True, text=True).stdout
        cells = [describe(json.loads(line)) for line in said.splitlines()]
        print(f"| {release} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
