"""The suite `layers`: the functions of tapwise beside its convolutions, each beside PyTorch and NumPy.

To add a function: a subclass of `Work` and its place in the table below. It makes its own data, says what is right, how
tapwise and others compute it, and what it comes to in operations and bytes.
"""

from __future__ import annotations

from .conv import ConvBackwardRelu, ConvTranspose, ConvTransposeBackward
from .dense import Dense, DenseGrad
from .pointwise import Relu, ReluGrad, SoftmaxCrossEntropy
from .pool import AvgPool, AvgPoolGrad, GlobalAvgPool, MaxPool, MaxPoolGrad, MaxPoolGradIndices, MaxPoolIndices
from .signal import Convolve, Correlate
from .steps import Block, LeNet
from .work import Setting, Work

__all__ = ["ABOUT", "FUNCTIONS", "SUITE", "Setting", "Work"]

SUITE = "layers"
ABOUT = "Every function beside the convolutions' own passes, and two training steps, beside PyTorch and NumPy."

FUNCTIONS: dict[str, type[Work]] = {
    work.function: work
    for work in (
        Dense, DenseGrad, Relu, ReluGrad,
        MaxPool, MaxPoolIndices, MaxPoolGrad, MaxPoolGradIndices, AvgPool, AvgPoolGrad, GlobalAvgPool,
        SoftmaxCrossEntropy, ConvBackwardRelu, ConvTranspose, ConvTransposeBackward, Convolve, Correlate,
        LeNet, Block,
    )
}  # fmt: skip
