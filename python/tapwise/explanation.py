"""What a call would do, without doing it."""

from collections.abc import Sequence
from dataclasses import dataclass

from . import _core
from ._device import on_cuda
from .types import Direction, DType, IntOrInts, Padding


@dataclass(frozen=True)
class Explanation:
    """What :func:`explain` found. Sizes are in bytes; ``str()`` prints it readably."""

    direction: str
    algorithm: str
    output_shape: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    """Zeros before and after each spatial axis."""
    flops: int
    """Two per product with real input; products with padding are not counted."""
    bytes_moved: int
    """Every operand read once and the result written once."""
    workspace_bytes: int
    """Scratch beside the result, for all threads together."""
    copies: tuple[str, ...]
    """What is copied into that scratch, and why."""
    lanes: str
    """What a vector register holds: channels, pixels or groups; empty on a CUDA device."""
    choices: tuple[str, ...]
    """What the planner chose, and why."""
    tile: tuple[int, int]
    """Rows and vectors of the register tile; on a CUDA device, rows and columns of the sums of a block."""
    work_items: int
    """Independent pieces of work; on a CUDA device, blocks of threads."""
    isa: str
    """The instruction set, or ``"sm_"`` and the compute capability of a CUDA device."""
    threads: int
    """Of the call; on a CUDA device, of a block."""

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
    x_shape: Sequence[int],
    weight_shape: Sequence[int],
    *,
    stride: IntOrInts = 1,
    padding: Padding = 0,
    dilation: IntOrInts = 1,
    groups: int = 1,
    flip: bool = False,
    layout: str | None = None,
    weight_layout: str | None = None,
    direction: Direction = "forward",
    dtype: DType = "float32",
    algorithm: str = "auto",
    threads: int | None = None,
    device: str = "cpu",
) -> Explanation:
    """What a convolution of C-contiguous arrays of these shapes would do.

    `direction` is ``"forward"``, ``"input_grad"``, ``"weight_grad"`` or ``"bias_grad"``; both shapes are those of the
    forward pass for all of them. The geometry and the errors are those of :func:`tapwise.conv`.
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
