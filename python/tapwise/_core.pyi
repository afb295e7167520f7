"""The compiled core. Every argument is positional; the functions of this package name and document them."""

from collections.abc import Sequence
from typing import Any, SupportsIndex

from .types import (
    Activation,
    Algorithm,
    Array,
    Direction,
    DType,
    Gradients,
    IntOrInts,
    Layout,
    Needs,
    Operand,
    Outs,
    Padding,
    Shape,
    TransposedWeightLayout,
    WeightLayout,
)

class Plan:
    def __init__(
        self,
        x_shape: Shape,
        weight: Operand,
        bias: Operand | None,
        stride: IntOrInts,
        padding: Padding,
        dilation: IntOrInts,
        groups: SupportsIndex,
        flip: bool,
        layout: Layout | None,
        weight_layout: WeightLayout | None,
        activation: Activation,
        algorithm: Algorithm,
        threads: SupportsIndex | None,
        /,
    ) -> None: ...
    def run(self, x: Operand, out: Array | None, /) -> Array: ...
    def update(self, weight: Operand, bias: Operand | None, /) -> None: ...
    @property
    def algorithm(self) -> str: ...
    @property
    def workspace_bytes(self) -> int: ...
    @property
    def x_shape(self) -> tuple[int, ...]: ...
    @property
    def output_shape(self) -> tuple[int, ...]: ...

def conv(
    x: Operand,
    weight: Operand,
    bias: Operand | None,
    rank: int,
    stride: IntOrInts,
    padding: Padding,
    dilation: IntOrInts,
    groups: SupportsIndex,
    flip: bool,
    layout: Layout | None,
    weight_layout: WeightLayout | None,
    activation: Activation,
    out: Array | None,
    algorithm: Algorithm,
    threads: SupportsIndex | None,
    /,
) -> Array: ...
def conv_transpose(
    x: Operand,
    weight: Operand,
    bias: Operand | None,
    stride: IntOrInts,
    padding: Padding,
    output_padding: IntOrInts,
    dilation: IntOrInts,
    groups: SupportsIndex,
    flip: bool,
    layout: Layout | None,
    weight_layout: TransposedWeightLayout | None,
    out: Array | None,
    algorithm: Algorithm,
    threads: SupportsIndex | None,
    /,
) -> Array: ...
def conv_input_grad(
    grad: Operand,
    weight: Operand,
    input_shape: Shape,
    stride: IntOrInts,
    padding: Padding,
    dilation: IntOrInts,
    groups: SupportsIndex,
    flip: bool,
    layout: Layout | None,
    weight_layout: WeightLayout | None,
    out: Array | None,
    accumulate: bool,
    algorithm: Algorithm,
    threads: SupportsIndex | None,
    /,
) -> Array: ...
def conv_weight_grad(
    grad: Operand,
    x: Operand,
    kernel_size: IntOrInts,
    stride: IntOrInts,
    padding: Padding,
    dilation: IntOrInts,
    groups: SupportsIndex,
    flip: bool,
    layout: Layout | None,
    weight_layout: WeightLayout | None,
    out: Array | None,
    accumulate: bool,
    algorithm: Algorithm,
    threads: SupportsIndex | None,
    /,
) -> Array: ...
def conv_bias_grad(
    grad: Operand,
    layout: Layout | None,
    out: Array | None,
    accumulate: bool,
    threads: SupportsIndex | None,
    /,
) -> Array: ...
def conv_backward(
    grad: Operand,
    x: Operand,
    weight: Operand,
    stride: IntOrInts,
    padding: Padding,
    dilation: IntOrInts,
    groups: SupportsIndex,
    flip: bool,
    layout: Layout | None,
    weight_layout: WeightLayout | None,
    needs: Needs,
    out: Outs,
    accumulate: bool,
    activation: Activation,
    y: Operand | None,
    algorithm: Algorithm,
    threads: SupportsIndex | None,
    /,
) -> Gradients: ...
def conv_transpose_backward(
    grad: Operand,
    x: Operand,
    weight: Operand,
    stride: IntOrInts,
    padding: Padding,
    output_padding: IntOrInts,
    dilation: IntOrInts,
    groups: SupportsIndex,
    flip: bool,
    layout: Layout | None,
    weight_layout: TransposedWeightLayout | None,
    needs: Needs,
    out: Outs,
    accumulate: bool,
    algorithm: Algorithm,
    threads: SupportsIndex | None,
    /,
) -> Gradients: ...
def conv_output_shape(
    x_shape: Shape,
    weight_shape: Shape,
    stride: IntOrInts,
    padding: Padding,
    dilation: IntOrInts,
    groups: SupportsIndex,
    flip: bool,
    layout: Layout | None,
    weight_layout: WeightLayout | None,
    /,
) -> tuple[int, ...]: ...
def explain(
    x_shape: Shape,
    weight_shape: Shape,
    stride: IntOrInts,
    padding: Padding,
    dilation: IntOrInts,
    groups: SupportsIndex,
    flip: bool,
    layout: Layout | None,
    weight_layout: WeightLayout | None,
    direction: Direction,
    dtype: DType,
    algorithm: Algorithm,
    threads: SupportsIndex | None,
    /,
) -> dict[str, Any]: ...
def dense(
    x: Operand,
    weight: Operand,
    bias: Operand | None,
    activation: Activation,
    out: Array | None,
    threads: SupportsIndex | None,
    /,
) -> Array: ...
def dense_grad(
    grad: Operand,
    x: Operand,
    weight: Operand,
    needs: Needs,
    out: Outs,
    accumulate: bool,
    threads: SupportsIndex | None,
    /,
) -> Gradients: ...
def relu(x: Operand, out: Array | None, threads: SupportsIndex | None, /) -> Array: ...
def relu_grad(grad: Operand, x: Operand, out: Array | None, threads: SupportsIndex | None, /) -> Array: ...
def max_pool(
    x: Operand,
    kernel_size: IntOrInts,
    stride: IntOrInts | None,
    padding: Padding,
    dilation: IntOrInts,
    ceil_mode: bool,
    return_indices: bool,
    layout: str | None,
    out: Array | None,
    threads: SupportsIndex | None,
    /,
) -> Any: ...
def max_pool_grad(
    grad: Operand,
    x: Operand | Sequence[SupportsIndex],
    kernel_size: IntOrInts,
    stride: IntOrInts | None,
    padding: Padding,
    dilation: IntOrInts,
    ceil_mode: bool,
    indices: Array | None,
    layout: str | None,
    out: Array | None,
    threads: SupportsIndex | None,
    /,
) -> Array: ...
def avg_pool(
    x: Operand,
    kernel_size: IntOrInts,
    stride: IntOrInts | None,
    padding: Padding,
    ceil_mode: bool,
    count_include_pad: bool,
    layout: str | None,
    out: Array | None,
    threads: SupportsIndex | None,
    /,
) -> Array: ...
def avg_pool_grad(
    grad: Operand,
    x: Operand | Sequence[SupportsIndex],
    kernel_size: IntOrInts,
    stride: IntOrInts | None,
    padding: Padding,
    ceil_mode: bool,
    count_include_pad: bool,
    layout: str | None,
    out: Array | None,
    threads: SupportsIndex | None,
    /,
) -> Array: ...
def as_array(object: Operand, name: str, /) -> Array: ...
def result(
    out: Array | None, name: str, shape: tuple[int, ...], like: Array, c_order: bool, apart: dict[str, Array], /
) -> Array: ...
def check_control(algorithm: Algorithm, threads: SupportsIndex | None, /) -> None: ...
def set_num_threads(n: SupportsIndex | None, /) -> None: ...
def get_num_threads() -> int: ...
def exchange_threads(n: SupportsIndex | None, /) -> int: ...
def restore_threads(n: int, /) -> None: ...
def set_algorithm(name: str, /) -> None: ...
def get_algorithm() -> Algorithm: ...
def exchange_algorithm(name: str | None, /) -> int: ...
def restore_algorithm(index: int, /) -> None: ...
def available_isas() -> tuple[str, ...]: ...
def build_info() -> dict[str, Any]: ...
def fma_peak(is_double: bool, seconds: float, threads: SupportsIndex | None, /) -> float: ...
def read_bandwidth(bytes: int, seconds: float, threads: SupportsIndex | None, /) -> float: ...
def triad_bandwidth(bytes: int, seconds: float, threads: SupportsIndex | None, /) -> float: ...
