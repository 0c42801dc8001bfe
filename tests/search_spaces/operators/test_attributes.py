"""No operator is made of numbers that it cannot have, whether it is written in Python or read from a text."""

from __future__ import annotations

import pytest

from search_spaces.operators.registry import parse_operator

CONVOLUTION = "convolution in_channels=8 out_channels=8 kernel=[3,3] stride=[1,1] padding=[[1,1],[1,1]] dilation=[1,1]"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *[
            (
                CONVOLUTION.replace("in_channels=8", f"in_channels={value}"),
                "in_channels of operator convolution must be a",
            )
            for value in ("-1", "0", "1.5", "true", "null", '"8"', "1" + 30 * "0", "NaN", "[8]")
        ],
        (CONVOLUTION + " groups=0", "groups of operator convolution must be a whole number of 1 or more, got 0"),
        (CONVOLUTION + " groups=3", "groups of a convolution must divide its channels"),
        (CONVOLUTION.replace("kernel=[3,3]", "kernel=[0,3]"), "kernel of operator convolution must be a tuple, each a"),
        (CONVOLUTION.replace("kernel=[3,3]", "kernel=3"), "kernel of operator convolution must be"),
        (CONVOLUTION.replace("stride=[1,1]", "stride=[0,1]"), "stride of operator convolution must be"),
        (CONVOLUTION.replace("[[1,1],", "[[1,-1],"), "padding of operator convolution must be"),
        (CONVOLUTION.replace("[[1,1],", "[[1],"), "padding of operator convolution must be"),
        (CONVOLUTION + " bias=1", "bias of operator convolution must be true or false, got 1"),
        ("linear in_features=-8 out_features=4", "in_features of operator linear must be a whole number of 1 or more"),
        (
            'activation function="elu" slope=NaN',
            "slope of operator activation must be a finite number or null",
        ),
        ("batch_norm channels=8 eps=-1", "eps of operator batch_norm must be a finite number of 0 or more"),
        ("group_norm groups=3 channels=8", "groups of a group norm must divide its channels"),
        (CONVOLUTION.replace("[3,3]", "[" * 100_000), "an operator is written as its name and attributes"),
        ("global_pool axes=[]", "names one or more, each once"),
        ('pool kind="median" kernel=[2] stride=[2] padding=[0]', "kind of operator pool must be one of 'mean', 'max'"),
        ('pool kind="max" kernel=[2] stride=[2] padding=[]', "a kernel, a stride and a padding for each"),
        ("slice axis=0 start=0 stop=1", "axis of operator slice must be a whole number below 0, got 0"),
    ],
)
def test_impossible_attributes_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_operator(text)


def test_the_value_of_a_padding_may_be_infinite() -> None:
    assert str(parse_operator("pad padding=[[1,1]] value=-Infinity")) == "pad padding=[[1,1]] value=-Infinity"
    with pytest.raises(ValueError, match="value of operator pad must be"):
        parse_operator("pad padding=[[1,1]] value=NaN")
