"""Pooling over images, and its gradients."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

import tapwise

from ..counting import real_pairs
from .contestants import Tensors
from .work import Compute, Result, Setting, Work


class Windows(NamedTuple):
    """Square windows on images."""

    batch: int
    channels: int
    height: int
    width: int
    kernel: int
    stride: int
    pad: int = 0

    def __str__(self) -> str:
        size = f"{self.batch}x{self.channels}x{self.height}x{self.width}_k{self.kernel}s{self.stride}"
        return size + (f"p{self.pad}" if self.pad else "")

    @property
    def outputs(self) -> tuple[int, int]:
        """Positions along each axis."""
        height, width = ((n + 2 * self.pad - self.kernel) // self.stride + 1 for n in (self.height, self.width))
        return height, width

    @property
    def pairs(self) -> int:
        """Pairs of output and input, over all channels."""
        along = [
            real_pairs(n, q, self.kernel, self.stride, 1, self.pad)
            for n, q in zip((self.height, self.width), self.outputs, strict=True)
        ]
        return self.batch * self.channels * along[0] * along[1]

    def taps(self) -> Iterator[tuple[int, int, tuple[Any, ...]]]:
        """Each tap, and what it meets in padded images (N, C, H, W)."""
        height, width = ((q - 1) * self.stride + 1 for q in self.outputs)
        for i, j in itertools.product(range(self.kernel), repeat=2):
            yield i, j, (..., slice(i, i + height, self.stride), slice(j, j + width, self.stride))

    def padded(self, x: Result, value: float) -> Result:
        around = ((0, 0), (0, 0), (self.pad,) * 2, (self.pad,) * 2)
        return np.pad(x, around, constant_values=value) if self.pad else x

    def maxima(self, x: Result) -> tuple[Result, Result]:
        """The maxima of images (N, C, H, W), and where in its image each one first is: y * width + x."""
        padded = self.padded(x, -np.inf)
        best = np.full((*x.shape[:2], *self.outputs), -np.inf, x.dtype)
        place = np.zeros(best.shape, np.int64)
        rows, columns = (np.arange(q) * self.stride - self.pad for q in self.outputs)
        for i, j, where in self.taps():
            here = padded[where]
            better = here > best
            best = np.where(better, here, best)
            place = np.where(better, (rows[:, None] + i) * self.width + columns + j, place)
        return best, place

    def scattered(self, grad: Result, place: Result) -> Result:
        """The gradient of `maxima`."""
        images = self.batch * self.channels
        flat = place.reshape(images, -1) + np.arange(images)[:, None] * (self.height * self.width)
        size = images * self.height * self.width
        found = np.bincount(flat.ravel(), weights=grad.ravel(), minlength=size)
        return found.reshape(self.batch, self.channels, self.height, self.width)


class _Pool(Work):
    shapes = (
        Windows(8, 64, 112, 112, 3, 2, 1), Windows(32, 32, 28, 28, 2, 2), Windows(16, 6, 24, 24, 2, 2),
        Windows(1, 64, 56, 56, 2, 2), Windows(8, 192, 28, 28, 3, 1, 1),
    )  # fmt: skip
    has_layout = True
    takes_out = True
    activations_first = 2

    def __init__(self, shape: Windows, setting: Setting) -> None:
        super().__init__(shape, setting)
        self.windows = shape
        self.images = self.draw(*shape[:4])
        self.grads = self.draw(*shape[:2], *shape.outputs)
        self.x, self.grad = self.laid(self.images), self.laid(self.grads)
        self.geometry: dict[str, Any] = {"stride": shape.stride, "padding": shape.pad, "layout": self.layout}
        self.flops = shape.pairs
        self.moved = self.x.nbytes + self.grad.nbytes
        self.longest_sum = shape.kernel**2

    @property
    def torch_geometry(self) -> tuple[list[int], list[int], list[int]]:
        """Kernel, stride and padding."""
        return [self.windows.kernel] * 2, [self.windows.stride] * 2, [self.windows.pad] * 2

    def over_taps(self, ufunc: np.ufunc, padding: float) -> Result:
        """A reduction of each window, on all windows at once: one pass over the images for each tap."""
        padded = self.windows.padded(self.first(self.x), padding)
        parts = [padded[where] for _, _, where in self.windows.taps()]
        y = parts[0].copy(order="K")
        for part in parts[1:]:
            ufunc(y, part, out=y)
        return y if not self.setting.channels_last else np.moveaxis(y, 1, -1)


class MaxPool(_Pool):
    function = "max_pool"
    meaning = "max pooling"
    needs = {"max_pool": ("out",)}

    def expected(self) -> tuple[Result, ...]:
        return (self.windows.maxima(self.images)[0].astype(np.float64),)

    def own(self) -> Compute:
        out = self.out(self.grad)
        return lambda: tapwise.max_pool(self.x, self.windows.kernel, out=out, **self.geometry)

    def numpy(self) -> Compute:
        return lambda: self.over_taps(np.maximum, -np.inf)

    def pytorch(self, t: Tensors) -> dict[str, Compute]:
        # PyTorch computes the indices whether asked for them or not.
        x, (kernel, stride, pad) = t.activations(self.x), self.torch_geometry
        if not self.setting.use_out:
            return {"": lambda: t.F.max_pool2d(x, kernel, stride, pad)}
        both = _both(self, t)
        return {"": lambda: both()[0]}


class MaxPoolIndices(_Pool):
    function = "max_pool_indices"
    meaning = "max pooling with return_indices=True"
    needs = {"max_pool": ("return_indices",)}
    takes_out = False

    def __init__(self, shape: Windows, setting: Setting) -> None:
        super().__init__(shape, setting)
        self.moved += self.grad.size * 8

    def expected(self) -> tuple[Result, ...]:
        y, place = self.windows.maxima(self.images)
        return y.astype(np.float64), place

    def own(self) -> Compute:
        return lambda: tapwise.max_pool(self.x, self.windows.kernel, return_indices=True, **self.geometry)

    def pytorch(self, t: Tensors) -> dict[str, Compute]:
        x, (kernel, stride, pad) = t.activations(self.x), self.torch_geometry
        return {"": lambda: t.F.max_pool2d(x, kernel, stride, pad, return_indices=True)}


def _both(work: _Pool, t: Tensors) -> Compute:
    """PyTorch's maxima and indices, into given tensors."""
    x, (kernel, stride, pad) = t.activations(work.x), work.torch_geometry
    y = t.empty_like(t.activations(work.grad))
    places = t.empty_like(y.long())
    pool = t.torch._C._nn.max_pool2d_with_indices
    return lambda: pool(x, kernel, stride, pad, 1, False, out=(y, places))


class MaxPoolGrad(_Pool):
    function = "max_pool_grad"
    meaning = "gradient of max pooling, from the input"
    needs = {"max_pool_grad": ("out",)}

    def __init__(self, shape: Windows, setting: Setting) -> None:
        super().__init__(shape, setting)
        self.flops += self.grad.size
        self.moved += self.x.nbytes

    def expected(self) -> tuple[Result, ...]:
        return (self.windows.scattered(self.grads, self.windows.maxima(self.images)[1]),)

    def own(self) -> Compute:
        out = self.out(self.x)
        return lambda: tapwise.max_pool_grad(self.grad, self.x, self.windows.kernel, out=out, **self.geometry)

    def pytorch(self, t: Tensors) -> dict[str, Compute]:
        # PyTorch has it from the indices alone, which its forward pass keeps.
        x, grad, (kernel, stride, pad) = t.activations(self.x), t.activations(self.grad), self.torch_geometry
        places = t.F.max_pool2d(x, kernel, stride, pad, return_indices=True)[1]
        given = (grad, x, kernel, stride, pad, [1, 1], False, places)
        if not self.setting.use_out:
            return {"indices": lambda: t.aten.max_pool2d_with_indices_backward(*given)}
        into, out = t.aten.max_pool2d_with_indices_backward.grad_input, t.empty_like(x)
        return {"indices": lambda: into(*given, grad_input=out)}


class MaxPoolGradIndices(MaxPoolGrad):
    function = "max_pool_grad_indices"
    meaning = "gradient of max pooling, from its indices"
    needs = {"max_pool_grad": ("indices", "out")}

    def __init__(self, shape: Windows, setting: Setting) -> None:
        super().__init__(shape, setting)
        self.indices = self.laid(shape.maxima(self.images)[1])
        self.flops = self.grad.size
        self.moved = self.grad.nbytes + self.indices.nbytes + self.x.nbytes

    def own(self) -> Compute:
        out, given = self.out(self.x), {"indices": self.indices, **self.geometry}
        return lambda: tapwise.max_pool_grad(self.grad, self.x, self.windows.kernel, out=out, **given)


class AvgPool(_Pool):
    function = "avg_pool"
    meaning = "average pooling, padding included"
    needs = {"avg_pool": ("out",)}

    def expected(self) -> tuple[Result, ...]:
        padded = self.windows.padded(self.images.astype(np.float64), 0.0)
        return (sum(padded[where] for _, _, where in self.windows.taps()) / self.windows.kernel**2,)

    def own(self) -> Compute:
        out = self.out(self.grad)
        return lambda: tapwise.avg_pool(self.x, self.windows.kernel, out=out, **self.geometry)

    def numpy(self) -> Compute:
        def call() -> Result:
            y = self.over_taps(np.add, 0.0)
            y *= 1 / self.windows.kernel**2
            return y

        return call

    def pytorch(self, t: Tensors) -> dict[str, Compute]:
        x, (kernel, stride, pad) = t.activations(self.x), self.torch_geometry
        out = t.empty_like(t.activations(self.grad)) if self.setting.use_out else None
        pool = t.torch._C._nn.avg_pool2d
        return {"": lambda: pool(x, kernel, stride, pad, False, True, None, out=out)}


class AvgPoolGrad(_Pool):
    function = "avg_pool_grad"
    meaning = "gradient of average pooling"
    needs = {"avg_pool_grad": ("out",)}

    def expected(self) -> tuple[Result, ...]:
        pad, (n, c, h, w) = self.windows.pad, self.windows[:4]
        padded = np.zeros((n, c, h + 2 * pad, w + 2 * pad))
        for _, _, where in self.windows.taps():
            padded[where] += self.grads / self.windows.kernel**2
        return (padded[:, :, pad : pad + h, pad : pad + w],)

    def own(self) -> Compute:
        out, shape = self.out(self.x), self.x.shape
        return lambda: tapwise.avg_pool_grad(self.grad, shape, self.windows.kernel, out=out, **self.geometry)

    def pytorch(self, t: Tensors) -> dict[str, Compute]:
        x, grad, (kernel, stride, pad) = t.activations(self.x), t.activations(self.grad), self.torch_geometry
        given = (grad, x, kernel, stride, pad, False, True, None)
        if not self.setting.use_out:
            return {"": lambda: t.aten.avg_pool2d_backward(*given)}
        into, out = t.aten.avg_pool2d_backward.grad_input, t.empty_like(x)
        return {"": lambda: into(*given, grad_input=out)}


class Images(NamedTuple):
    batch: int
    channels: int
    height: int
    width: int

    def __str__(self) -> str:
        return "x".join(map(str, self))


class GlobalAvgPool(Work):
    function = "global_avg_pool"
    meaning = "the mean of each channel"
    needs = {"global_avg_pool": ("out",)}
    shapes = (Images(8, 512, 7, 7), Images(8, 256, 56, 56))
    has_layout = True
    takes_out = True

    def __init__(self, shape: Images, setting: Setting) -> None:
        super().__init__(shape, setting)
        self.images = self.draw(*shape)
        self.x, self.y = self.laid(self.images), np.empty(shape[:2], setting.dtype)
        self.flops, self.moved = self.x.size, self.x.nbytes + self.y.nbytes
        self.longest_sum = shape.height * shape.width

    def expected(self) -> tuple[Result, ...]:
        return (self.images.mean(axis=(2, 3), dtype=np.float64),)

    def own(self) -> Compute:
        out = self.out(self.y)
        return lambda: tapwise.global_avg_pool(self.x, layout=self.layout, out=out)

    def numpy(self) -> Compute:
        axes, out = ((1, 2) if self.setting.channels_last else (2, 3)), self.out(self.y)
        return lambda: np.mean(self.x, axis=axes, out=out)

    def pytorch(self, t: Tensors) -> dict[str, Compute]:
        x = t.activations(self.x)
        if not self.setting.use_out:
            return {"": lambda: t.torch.mean(x, (2, 3))}
        out = t(np.empty_like(self.y))
        return {"": lambda: t.torch.mean(x, (2, 3), out=out)}
