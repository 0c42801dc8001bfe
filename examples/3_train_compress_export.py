"""From data to an ONNX file by hand: train a supernet, take a subnet, quantise it layer by layer, export it, run it.

python examples/3_train_compress_export.py [FOLDER]
"""

import sys
from pathlib import Path

import numpy as np

import nas

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example-3")
folder.mkdir(parents=True, exist_ok=True)

data = nas.load_images("digits")
space = nas.JointSpace(
    nas.create_space("mobilenet_v3_digits", data.channels, data.classes),
    nas.PolicySpace.parse(["w32a32", "w8a8", "w4a8"]),
)
supernet = nas.build_supernet(space.architectures, seed=0)
schedule = nas.create_schedule("single", epochs=15, learning_rate=0.1, space=space)
nas.train_supernet(supernet, data, nas.TrainingPlan(space, schedule), folder)

realizer = nas.CandidateRealizer(supernet, data)
for row, candidate in enumerate((space.largest(), space.smallest(), space.sample(np.random.default_rng(0), 1)[0])):
    network = realizer.realize(candidate)  # extracted, batch norm re-calibrated, quantised, ranges calibrated
    side = candidate.architecture.resolution
    model = nas.to_onnx(network, (data.channels, side, side))
    (folder / f"{row}.onnx").write_bytes(model)

    images = realizer.transform.inputs(data.test.images, side).numpy()
    logits = nas.run_session(nas.open_session(model), images)
    accuracy = 100 * (logits.argmax(1) == data.test.labels.numpy()).mean()
    print(f"{accuracy:6.2f} % of the test images  {len(model) / 1024:6.1f} KiB of ONNX  {nas.describe(candidate)}")
