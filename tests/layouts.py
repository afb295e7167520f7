"""Layouts as explicit permutations, to and from the one order that the oracle works in."""

import numpy as np

SPATIAL = {1: "W", 2: "HW", 3: "DHW"}


def activation_layouts(rank):
    """The two batched layouts of a rank, the default one first."""
    return "NC" + SPATIAL[rank], "N" + SPATIAL[rank] + "C"


def unbatched_layouts(rank):
    return "C" + SPATIAL[rank], SPATIAL[rank] + "C"


def weight_layouts(rank):
    return "OI" + SPATIAL[rank], "O" + SPATIAL[rank] + "I", SPATIAL[rank] + "IO"


def permute(array, source, target):
    """The same array seen with its axes in another order: permute(x, "NHWC", "NCHW")."""
    return np.transpose(array, [source.index(axis) for axis in target])


def to_canonical(array, layout):
    """(N, C, *spatial), with a batch of one where the layout has none."""
    array = np.asarray(array)
    if "N" not in layout:
        array, layout = array[None], "N" + layout
    return permute(array, layout, "NC" + SPATIAL[array.ndim - 2])


def from_canonical(array, layout):
    full = "NC" + SPATIAL[array.ndim - 2]
    if "N" in layout:
        return permute(array, full, layout)
    return permute(array, full, "N" + layout)[0]


def stored_as(canonical, layout):
    """A C-contiguous array in the layout, with the values of a (N, C, *spatial) array."""
    return np.ascontiguousarray(from_canonical(canonical, layout))


def weight_stored_as(weight, layout):
    return np.ascontiguousarray(permute(weight, weight_layouts(weight.ndim - 2)[0], layout))


def weight_to_canonical(weight, layout):
    return permute(np.asarray(weight), layout, weight_layouts(weight.ndim - 2)[0])
