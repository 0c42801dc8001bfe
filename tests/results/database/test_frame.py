from __future__ import annotations

import pandas as pd

from results.database.frame import choose_metrics, make_frame, select_front
from results.metric import get_metric


def row(sequence: int, **values: float) -> dict[str, object]:
    identity = {"run": "a", "device": "any", "sequence": sequence, "source": "measured", "fidelity": 1.0, "key": "k"}
    return identity | {"resolution": 32, "blocks": 2, "mean_weight_bits": 8.0, "values": values}


def test_metrics_stand_in_their_order_each_before_what_is_derived_from_it() -> None:
    frame = make_frame([row(0, speed=1.0, macs=2.0, test_accuracy=3.0), row(1, expected_accuracy=4.0, accuracy=5.0)])
    metrics = ["accuracy", "expected_accuracy", "test_accuracy", "macs", "speed"]
    assert list(frame.columns[6:-3]) == metrics


def test_a_front_is_made_of_full_measurements() -> None:
    frame = pd.DataFrame({"accuracy": [90.0, 99.0, 90.0], "fidelity": [1.0, 0.1, 1.0]})
    assert select_front(frame, [get_metric("accuracy")])["accuracy"].tolist() == [90.0, 90.0]
    assert len(select_front(frame.drop(columns="fidelity"), [get_metric("accuracy")])) == 1


def test_people_who_name_no_metrics_trade_those_of_the_latest_run() -> None:
    energy = [row(n, expected_accuracy=90.0, accuracy=91.0, test_accuracy=89.0, energy_mj=2.0) for n in range(2)]
    assert choose_metrics(make_frame(energy)) == ["expected_accuracy", "energy_mj"]
    later = row(0, worst_class_accuracy=50.0, energy_mj=5.0, macs=5.0) | {"run": "b"}
    assert choose_metrics(make_frame([*energy, later])) == ["worst_class_accuracy", "energy_mj", "macs"]
    assert choose_metrics(make_frame(energy).head(0)) == ["accuracy"]
