"""What a call would do, without doing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import SupportsIndex

from . import _core
from ._device import on_cuda
from .types import Algorithm, Device, Direction, DType, IntOrInts, Layout, Padding, Shape, WeightLayout


@dataclass(frozen=True)
class Explanation:
    """What :func:`explain` found; ``str()`` prints it readably.

    Attributes
    ----------
    direction : "forward", "input_grad", "weight_grad" or "bias_grad"
    algorithm : str
    output_shape : tuple of ints
    pads : a (low, high) pair per spatial axis
        Zeros before and after it.
    flops : int
        Two per product with real input; products with padding are not counted.
    bytes_moved : int
        Every operand read once and the result written once.
    workspace_bytes : int
        Scratch beside the result, for all threads together.
    copies : tuple of str
        What is copied into that scratch, and why.
    lanes : str
        What a vector register holds: channels, pixels or groups; empty on a CUDA device.
    choices : tuple of str
        What the planner chose, and why.
    tile : (rows, vectors)
        Of the register tile; on a CUDA device, rows and columns of the sums of a block.
    work_items : int
        Independent pieces of work; on a CUDA device, blocks of threads.
    isa : str
        The instruction set, or ``"sm_"`` and the compute capability of a CUDA device.
    threads : int
        Of the call; on a CUDA device, of a block.

    Examples
    --------
    >>> import tapwise
    >>> found = tapwise.explain((8, 64, 56, 56), (64, 64, 3, 3), padding=1)
    >>> found.output_shape, found.pads, found.flops
    ((8, 64, 56, 56), ((1, 1), (1, 1)), 1805910016)
    >>> print(found)  # doctest: +ELLIPSIS
    forward: direct on ...
      output     (8, 64, 56, 56)
      padding    1+1, 1+1
      ...
    """

    direction: Direction
    algorithm: str
    output_shape: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    flops: int
    bytes_moved: int
    workspace_bytes: int
    copies: tuple[str, ...]
    lanes: str
    choices: tuple[str, ...]
    tile: tuple[int, int]
    work_items: int
    isa: str
    threads: int

    def __str__(self) -> str:
        pads = ", ".join(f"{low}+{high}" for low, high in self.pads)
        intensity = self.flops / self.bytes_moved if self.bytes_moved else 0.0
        team = f"{self.threads} thread(s)" if self.lanes else f"{self.threads} threads a block"
        lines = [
            f"{self.direction}: {self.algorithm} on {self.isa}, {team}",
            f"  output     {self.output_shape}",
            f"  padding    {pads}",
            f"  work       {self.flops:,} flops, {self.bytes_moved:,} bytes ({intensity:.1f} flops a byte)",
            f"  workspace  {self.workspace_bytes:,} bytes",
            *(f"  copied     {copy}" for copy in self.copies),
            *(f"  chosen     {choice}" for choice in self.choices),
        ]
        if self.tile[0]:
            tile = f"{self.tile[0]} rows x {self.tile[1]} vectors of {self.lanes}, {self.work_items:,} pieces"
            if not self.lanes:
                tile = f"{self.tile[0]} x {self.tile[1]} sums a block, {self.work_items:,} blocks"
            lines.insert(4, f"  tile       {tile}")
        return "\n".join(lines)


def explain(
    x_shape: Shape,
    weight_shape: Shape,
    *,
    stride: IntOrInts = 1,
    padding: Padding = 0,
    dilation: IntOrInts = 1,
    groups: SupportsIndex = 1,
    flip: bool = False,
    layout: Layout | None = None,
    weight_layout: WeightLayout | None = None,
    direction: Direction = "forward",
    dtype: DType = "float32",
    algorithm: Algorithm = "auto",
    threads: SupportsIndex | None = None,
    device: Device = "cpu",
) -> Explanation:
    """What a convolution of C-contiguous arrays of these shapes would do, without doing it.

    Parameters
    ----------
    x_shape : (N, C, *space)
        The shape of `x`, in its layout, for every direction.
    weight_shape : (O, C / groups, *kernel)
        The shape of `weight`, in its layout, for every direction.
    stride : int or one per axis
        Steps in `x` from one output to the next, at least 1.
    padding : int, one per axis, a (low, high) pair per axis, or a name
        Zeros around `x`, which take no part in any sum. ``"valid"``: none; ``"same"``: ``ceil(n / stride)`` outputs,
        the odd zero at the end (``"same_lower"``: at the start); ``"full"``: every position where kernel and input
        overlap; ``"causal"`` (one axis): an output sees no later input.
    dilation : int or one per axis
        Steps in `x` from one tap of the kernel to the next, at least 1.
    groups : int
        Divides the channels of `x` and the outputs; each group of outputs sees its own group of channels.
    flip : bool
        True reverses the kernel: the convolution of mathematics.
    layout : str, optional
        The axes of `x` and the result: ``"NCW"``, ``"NCHW"``, ``"NCDHW"`` (the default, by rank), ``"NWC"``,
        ``"NHWC"``, ``"NDHWC"``, or without a batch ``"CW"``, ``"WC"``, ``"CHW"``, ``"HWC"``, ``"CDHW"``, ``"DHWC"``.
    weight_layout : str, optional
        ``"OI"`` + space (the default, e.g. ``"OIHW"``), ``"O"`` + space + ``"I"`` (MLX, cuDNN) or space + ``"IO"``
        (TensorFlow, JAX). Independent of `layout`.
    direction : "forward", "input_grad", "weight_grad" or "bias_grad"
        The pass: :func:`tapwise.conv` or one of its gradients.
    dtype : float32 or float64
        That of the arrays, by name or as NumPy's.
    algorithm : "auto" or "direct"
        How to compute; ``"auto"`` is what :func:`tapwise.set_algorithm` says, and leaves the choice to the call
        otherwise.
    threads : int, optional
        How many threads to use, if there is work for them. By default :func:`tapwise.get_num_threads`, and one for
        small problems. The bits of the result do not depend on it.
    device : "cpu" or "cuda"
        Where it would be computed. ``"cuda"`` is for host arrays that are copied to the current CUDA device and back.

    Returns
    -------
    Explanation
        What was found; ``print`` shows it.

    Raises
    ------
    ValueError
        Shapes, sizes or names that do not fit together; the message names the operand and the likely fix.
    TypeError
        Not a shape, or a dtype other than float32 and float64.
    RuntimeError
        There is no CUDA device to ask.

    Examples
    --------
    >>> import tapwise
    >>> found = tapwise.explain((1, 3, 224, 224), (64, 3, 7, 7), stride=2, padding=3, direction="weight_grad")
    >>> found.algorithm, found.output_shape
    ('direct', (64, 3, 7, 7))
    >>> found.workspace_bytes < 2**20 * (2 + 2 * found.threads)
    True
    """
    if on_cuda(device):
        from . import _staging

        return _staging.explain(
            x_shape, weight_shape, stride=stride, padding=padding, dilation=dilation, groups=groups, flip=flip,
            layout=layout, weight_layout=weight_layout, direction=direction, dtype=dtype, algorithm=algorithm,
            threads=threads,
        )  # fmt: skip
    found = _core.explain(
        x_shape, weight_shape, stride, padding, dilation, groups, flip, layout, weight_layout,
        direction, dtype, algorithm, threads,
    )  # fmt: skip
    packed, scratch = found.pop("packed_bytes"), found.pop("scratch_bytes")
    in_place, phases = found.pop("in_place"), found.pop("phases")
    copies = _copies(found["direction"], packed, scratch, in_place, phases) if found["workspace_bytes"] else ()
    speeds = dict(zip(("channels", "pixels", "groups"), found.pop("lane_speed"), strict=True))
    choices = (*_lanes(found["lanes"], speeds), *found.pop("choices"))
    return Explanation(copies=copies, choices=choices, **found)


def _lanes(chosen: str, speeds: dict[str, float]) -> tuple[str, ...]:
    if not any(speeds.values()):
        return ()
    others = ", ".join(f"{name} {speed:.0%}" for name, speed in speeds.items() if name != chosen and speed > 0)
    return (f"{chosen} in the lanes, estimated at {speeds[chosen]:.0%} of full speed" + (others and f" ({others})"),)


def _copies(direction: str, packed: int, scratch: int, in_place: bool, phases: int) -> tuple[str, ...]:
    if direction == "bias_grad":
        return (f"{packed:,} bytes of partial sums, so that the order of the sum does not depend on the threads",)
    own = f"up to {scratch:,} bytes a thread: "
    own += (
        "lists of taps, and what is named below" if in_place else "bands of the activations, in the order of the kernel"
    )
    if direction == "weight_grad":
        return (*((f"{packed:,} bytes of partial sums of the weight's gradient",) if packed else ()), own)
    packing = f"{packed:,} bytes: the weights, in the order the kernel reads, once a call (once a Plan)"
    if phases > 1:
        packing += f", split into {phases} stride phases"
    return (*((packing,) if packed else ()), own)
