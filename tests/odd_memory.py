"""Arrays in every kind of memory that NumPy allows, in a buffer that shows any stray access."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st


@dataclass(frozen=True)
class Memory:
    """How an array lies: axes from slowest to fastest, per-axis step (negative: reversed), the
    bytes left free after each element, and the bytes before the first."""

    order: tuple
    steps: tuple
    gap: int = 0
    offset: int = 0


@st.composite
def memories(draw, rank):
    steps = st.sampled_from([1, 1, 1, -1, -1, 2, -3])
    return Memory(
        tuple(draw(st.permutations(range(rank)))),
        tuple(draw(st.lists(steps, min_size=rank, max_size=rank))),
        draw(st.sampled_from([0, 0, 0, 1, 4])),
        draw(st.sampled_from([0, 0, 1, 3])),
    )


class Placed:
    """A view with the given values in a buffer of 0xFF bytes, which read as NaN."""

    def __init__(self, values, memory):
        strides, pitch = [0] * values.ndim, values.itemsize + memory.gap
        for axis in reversed(memory.order):
            strides[axis] = pitch * abs(memory.steps[axis])
            pitch = strides[axis] * max(values.shape[axis], 1)
        self.buffer = np.full(memory.offset + pitch + 64, 0xFF, np.uint8)
        ahead = np.ndarray(values.shape, values.dtype, self.buffer, memory.offset, strides)
        flips = (slice(None, None, -1 if step < 0 else 1) for step in memory.steps)
        self.view = ahead[tuple(flips)]
        self.view[...] = values
        self.before = self.buffer.copy()

    def restore_and_check(self, values):
        """Give the view its first values again: if anything else changed, it shows."""
        self.view[...] = values
        np.testing.assert_array_equal(self.buffer, self.before, "written outside of the array")


def place(values, memory):
    return Placed(values, memory).view


def ordinary(rank):
    return Memory(tuple(range(rank)), (1,) * rank)


def fortran(rank):
    return Memory(tuple(reversed(range(rank))), (1,) * rank)


def reverse(rank):
    return Memory(tuple(range(rank)), (-1,) * rank)


def every_other(rank):
    return Memory(tuple(range(rank)), (2,) * rank)


def misaligned(rank):
    return Memory(tuple(range(rank)), (1,) * rank, offset=1)


def field_of_a_record(rank):
    return Memory(tuple(range(rank)), (1,) * rank, gap=1)


def rotated(rank):
    return Memory((*range(1, rank), 0), (1,) * (rank - 1) + (-1,), gap=4, offset=3)


KINDS = (ordinary, fortran, reverse, every_other, misaligned, field_of_a_record, rotated)
