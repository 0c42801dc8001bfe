"""What convolutions are called, and which cannot be written."""

from __future__ import annotations

import pytest

from search_spaces.operators.weighted import Convolution

ONES = ((1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1))


def test_depthwise_and_pointwise_are_told_from_all_others() -> None:
    assert Convolution.square(8, 8, 3, groups=8).is_depthwise
    assert not Convolution.square(8, 16, 3, groups=8).is_depthwise
    assert not Convolution.square(1, 1, 3).is_depthwise  # of one channel it is a plain one
    assert Convolution.square(8, 16).is_pointwise
    assert not Convolution.square(8, 16, stride=2).is_pointwise
    assert not Convolution.square(8, 16, 3).is_pointwise


def test_a_square_kernel_of_even_size_is_refused() -> None:
    with pytest.raises(ValueError, match="kernel of odd size, got 4"):
        Convolution.square(8, 8, 4)


def test_a_transposed_one_is_stored_with_its_inputs_first() -> None:
    convolution = Convolution(4, 6, *ONES, groups=2, transposed=True)
    assert convolution.weight_shape == (6, 2, 1, 1)
    assert convolution.parameter_shapes["weight"] == (4, 3, 1, 1)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"stride": (1,)}, "1 or 2 axes, with a stride, padding and dilation for each"),
        ({"kernel": (1, 1, 1)}, "1 or 2 axes"),
        ({"groups": 3}, "groups of a convolution must divide its channels"),
        ({"output_padding": (1, 1)}, "only a transposed convolution has an output padding"),
    ],
)
def test_what_no_runtime_can_run_cannot_be_written(arguments: dict[str, object], line: str) -> None:
    kernel, stride, padding, dilation = ONES
    given = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation} | arguments
    with pytest.raises(ValueError, match=line):
        Convolution(4, 6, **given)  # type: ignore[arg-type]
