"""A table of networks is read whole and right, or refused with file, row and column."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from random import Random

import pytest
from fuzzer import find_refusal
from mutations import mutate_bytes, mutate_cells, to_csv

from nas.jobs.files.network_table import read_networks
from search_spaces.families.tabular import TabularSpace

ROWS = [["op", "width", "accuracy", "note"]] + [
    [op, str(width), f"{60 + width}.5", ""] for op, width in product(("skip", "conv"), (8, 16, 32))
]
GENES, VALUES = ["op", "width"], ["accuracy"]


def written(content: bytes, folder: Path) -> Path:
    (folder / "nets.csv").write_bytes(content)
    return folder / "nets.csv"


def changed(row: int, column: int, cell: str) -> bytes:
    return to_csv(
        [[cell if (row, column) == (r, c) else old for c, old in enumerate(cells)] for r, cells in enumerate(ROWS)]
    )


@pytest.mark.parametrize(
    "content",
    [
        to_csv(ROWS),
        b"\xef\xbb\xbf" + to_csv(ROWS),  # a byte-order mark, as Excel writes it
        to_csv(ROWS).replace(b"\n", b"\r\n") + b"\r\n",
        to_csv([[f'"{cell}"' for cell in row] for row in ROWS]),
        changed(2, 2, " +7.65e1 "),
    ],
)
def test_genes_and_values_have_their_types(content: bytes, tmp_path: Path) -> None:
    found = read_networks(written(content, tmp_path), VALUES, GENES)
    assert found.columns.tolist() == ["op", "width", "accuracy"]
    assert found["width"].tolist() == [8, 16, 32] * 2
    assert found["accuracy"].iloc[1] == 76.5
    assert TabularSpace("nets", found, GENES).count() == 6


def test_a_gene_may_be_constant_a_value_and_text_like_none(tmp_path: Path) -> None:
    rows = [["a", "b", "c"], ["0", "none", "1"], ["0", "NA", "2"], ["0", "True", "4"]]
    found = read_networks(written(to_csv(rows), tmp_path), ["c"], ["a", "b"])
    assert found["b"].tolist() == ["none", "NA", "True"]
    rows = [["a", "c"], ["0.5", "1"], ["1", "2"]]
    found = read_networks(written(to_csv(rows), tmp_path), ["a", "c"], ["a"])
    assert found.to_dict("list") == {"a": [0.5, 1.0], "c": [1.0, 2.0]}
    assert read_networks(tmp_path / "nets.csv", ["c"]).columns.tolist() == ["a", "c"]


@pytest.mark.parametrize(
    ("row", "column", "cell", "message"),
    [
        *(
            (3, 2, cell, r"row 3 \(line 4\), column accuracy: must be a number from")
            for cell in ("", "oom", "nan", "inf")
        ),
        *((3, 2, cell, r"row 3 \(line 4\), column accuracy: must be a number") for cell in ("1e999", "9" * 30, "1_0")),
        *(
            (3, 1, cell, r"row 3 \(line 4\), column width: must be a gene, a number or text")
            for cell in ("", " ", "nan")
        ),
        (3, 0, "a\tb", r"row 3 \(line 4\), column op: must be text of one line"),
        (3, 1, "9" * 30, r"row 3 \(line 4\), column width: a gene that is a whole number has 9007199254740992 at most"),
        (
            3,
            1,
            "oom",
            r"combinations of op, width, got 6.* only 1 row with width oom: .*row 3 \(line 4\), column width",
        ),
        (3, 1, "8", r"row 3 \(line 4\): has the genes of .*nets.csv, row 1 \(line 2\)"),
        (0, 2, "loss", "it lacks accuracy"),
        (0, 2, "width", "has the column 'width' twice"),
    ],
)
def test_what_is_wrong_has_a_row_and_a_column(row: int, column: int, cell: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"nets\.csv.*{message}"):
        read_networks(written(changed(row, column, cell), tmp_path), VALUES, GENES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (to_csv(ROWS[:-1]), "there is none for op skip, width 32|there is none for op conv, width 32"),
        (to_csv(ROWS).replace(b",", b";"), "separated by commas"),
        ("é".join(["op,width,accuracy\n", ",8,1"]).encode("latin-1"), "must be text in UTF-8"),
        (b"", "first row must name its columns"),
        (to_csv(ROWS[:1]), "no rows"),
    ],
)
def test_what_is_no_table_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"nets\.csv.*({message})"):
        read_networks(written(content, tmp_path), VALUES, GENES)


def test_damaged_tables_are_refused_in_a_line_or_are_still_tables(tmp_path: Path) -> None:
    rng = Random(0)
    for turn in range(150):
        content = mutate_bytes(to_csv(ROWS), rng) if turn % 2 else to_csv(mutate_cells(ROWS, rng))
        path = written(content, tmp_path)
        find_refusal(lambda path=path: TabularSpace("nets", read_networks(path, VALUES, GENES), GENES))
