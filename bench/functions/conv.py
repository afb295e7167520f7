"""What goes with a convolution beside its own passes: the backward pass through a fused ReLU; transposed convolution.

The transposed convolution of a problem takes the problem's results to its input: its input has the shape of dst, its
result that of src.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

import tapwise

from .. import reference
from ..case import make_case
from ..counting import moved_bytes, products
from ..descriptor import Problem, parse
from .contestants import Tensors
from .work import Compute, Result, Setting, Work


class _OfProblem(Work):
    has_layout = True
    activations_first = 1
    direction = "bwd"

    def __init__(self, shape: Problem, setting: Setting) -> None:
        super().__init__(shape, setting)
        s = setting
        self.case = make_case(shape, self.direction, s.channels_last, s.dtype, s.threads, s.use_out)
        self.flops = 4 * products(shape) + math.prod(shape.dst_shape)
        self.moved = moved_bytes(shape, "bwd", self.itemsize)
        p = shape
        self.padding = [low for low, _ in p.pad]
        self.own_geometry: dict[str, Any] = {
            "stride": p.stride, "padding": p.pad, "dilation": p.dilation, "groups": p.groups, "layout": self.layout,
        }  # fmt: skip

    def tolerance(self) -> float:
        return reference.tolerance(self.case)


class ConvBackwardRelu(_OfProblem):
    function = "conv_backward_relu"
    meaning = "all gradients of a convolution through its fused ReLU"
    needs = {"conv_backward": ("activation", "y")}
    shapes = tuple(map(parse, ("mb2_ic64ih56_oc64oh56_kh3_ph1", "mb32_ic6ih12_oc16oh8_kh5")))

    def __init__(self, shape: Problem, setting: Setting) -> None:
        super().__init__(shape, setting)
        self.y = self.laid(np.maximum(self.draw(*shape.dst_shape), 0))
        self.moved += self.y.nbytes

    def expected(self) -> tuple[Result, ...]:
        return reference.reference(replace(self.case, grad=self.case.grad * (self.y > 0)))

    def own(self) -> Compute:
        case, given = self.case, {**self.own_geometry, "activation": "relu", "y": self.y}
        return lambda: tapwise.conv_backward(case.grad, case.x, case.weight, **given)

    def pytorch(self, t: Tensors) -> dict[str, Compute]:
        case, p = self.case, self.case.problem
        x, grad, y, weight = *map(t.activations, (case.x, case.grad, self.y)), t.weight(case.weight)

        def call() -> object:
            masked = t.aten.threshold_backward(grad, y, 0)
            return t.aten.convolution_backward(
                masked, x, weight, [p.out_channels], p.stride, self.padding, p.dilation, False, [0, 0], p.groups,
                [True] * 3,
            )  # fmt: skip

        return {"": call}


class ConvTranspose(_OfProblem):
    function = "conv_transpose"
    meaning = "transposed convolution"
    needs = {"conv_transpose": ("layout",)}
    shapes = tuple(map(parse, ("mb8_ic128ih32_oc256oh16_kh4_sh2_ph1", "mb1_ic64ih112_oc128oh56_kh2_sh2")))
    direction = "bwd_d"

    def __init__(self, shape: Problem, setting: Setting) -> None:
        super().__init__(shape, setting)
        self.flops = 2 * products(shape)
        self.moved = moved_bytes(shape, "bwd_d", self.itemsize)

    def expected(self) -> tuple[Result, ...]:
        return reference.reference(self.case)

    def own(self) -> Compute:
        return lambda: tapwise.conv_transpose(self.case.grad, self.case.weight, **self.own_geometry)

    def pytorch(self, t: Tensors) -> dict[str, Compute]:
        p, x, weight = self.case.problem, t.activations(self.case.grad), t.weight(self.case.weight)
        return {"": lambda: t.F.conv_transpose2d(x, weight, None, p.stride, self.padding, 0, p.groups, p.dilation)}


class ConvTransposeBackward(_OfProblem):
    function = "conv_transpose_backward"
    meaning = "all gradients of a transposed convolution"
    needs = {"conv_transpose_backward": ("layout",)}
    shapes = ConvTranspose.shapes

    def __init__(self, shape: Problem, setting: Setting) -> None:
        super().__init__(shape, setting)
        numbers = math.prod(shape.src_shape) + 2 * math.prod(shape.dst_shape) + 2 * math.prod(shape.weight_shape)
        self.flops = 4 * products(shape) + math.prod(shape.src_shape)
        self.moved = (numbers + shape.in_channels) * self.itemsize

    def expected(self) -> tuple[Result, ...]:
        forward, weights = (reference.reference(replace(self.case, direction=d))[0] for d in ("fwd", "bwd_w"))
        return forward, weights, self.case.first(self.case.x).sum(axis=(0, 2, 3), dtype=np.float64)

    def tolerance(self) -> float:
        # The bias sums over every output.
        self.longest_sum = math.prod(self.case.problem.src_shape)
        return super(_OfProblem, self).tolerance()

    def own(self) -> Compute:
        case = self.case
        return lambda: tapwise.conv_transpose_backward(case.x, case.grad, case.weight, **self.own_geometry)

    def pytorch(self, t: Tensors) -> dict[str, Compute]:
        case, p = self.case, self.case.problem
        grad, x, weight = t.activations(case.x), t.activations(case.grad), t.weight(case.weight)
        given = ([p.in_channels], p.stride, self.padding, p.dilation, True, [0, 0], p.groups, [True] * 3)
        return {"": lambda: t.aten.convolution_backward(grad, x, weight, *given)}
