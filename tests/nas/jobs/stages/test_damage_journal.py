"""What a killed job left of its measurements is believed row by row."""

from __future__ import annotations

from pathlib import Path

from nas.jobs.stages.damage_journal import DamageJournal, MeasuredDamage

ROWS = {f"alone {key}": MeasuredDamage(1 / (3 + key), 0.1 * key) for key in range(4)}


def test_rows_that_were_torn_or_changed_are_measured_again(tmp_path: Path) -> None:
    path = tmp_path / "unfinished.csv"
    journal = DamageJournal(path)
    assert journal.read() == {}
    for key, found in ROWS.items():
        journal.add(key, found)
    assert journal.read() == ROWS
    content = path.read_bytes()
    path.write_bytes(content[:-5])  # the last row was being written
    assert journal.read() == {key: ROWS[key] for key in list(ROWS)[:3]}
    journal.add("alone 3", ROWS["alone 3"])
    assert journal.read() == ROWS
    path.write_bytes(content.replace(b"0.25", b"0.75") + b"\0\xff,\n")
    assert journal.read() == {key: found for key, found in ROWS.items() if found.damage != 0.25}
