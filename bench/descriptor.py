"""The problem language: benchdnn's convolution descriptors.

    g32mb8_ic128ih56oc128oh56kh3sh1dh0ph1n"conv2"

Each key is followed by a number; underscores are ignored; `n"..."` names the problem.

    g mb ic oc          groups, batch, input and output channels of all groups
    id ih iw            input depth, height, width         od oh ow    output
    kd kh kw            kernel                             sd sh sw    stride
    pd ph pw            padding at the start               dd dh dw    dilation, 0 for a dense kernel

The rank follows from the sizes: with a depth it is 3, with a height 2, with a width alone 1. What an axis lacks it
takes from the one before it (`ih56` is 56 x 56, `kd3` is 3 x 3 x 3). Strides default to 1, dilations to 0, the batch
to 2 and groups to 1, as in benchdnn. Of output size and padding either may be left out: without both there is no
padding; with the output alone the padding is split, its odd row at the end. The padding at the end is that of the start
if it gives this output, else what the output needs, so that asymmetric padding can be written.

benchdnn's dilation counts the zeros between taps: `dh0` is dilation 1 everywhere else in tapwise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

_AXES = "dhw"
_KEYS = ("g", "mb", "ic", "oc", *(kind + axis for kind in "iokspd" for axis in _AXES))
_TOKEN = re.compile(r"(?P<key>[a-z]+)(?P<number>\d+)")
_LARGEST = 2**31 - 1


class DescriptorError(ValueError):
    """A malformed descriptor; the message shows where."""

    def __init__(self, text: str, at: int, expected: str) -> None:
        super().__init__(f"{text}\n{' ' * at}^ expected {expected}")
        self.text, self.at, self.expected = text, at, expected


@dataclass(frozen=True)
class Problem:
    """One convolution. Tuples have one entry per spatial axis, `dilation` counts as tapwise does (1 is dense)."""

    batch: int
    in_channels: int
    out_channels: int
    groups: int
    src: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    pad: tuple[tuple[int, int], ...]
    name: str = ""

    @property
    def rank(self) -> int:
        return len(self.src)

    @property
    def dst(self) -> tuple[int, ...]:
        return tuple(
            (n + low + high - (k - 1) * d - 1) // s + 1
            for n, k, s, d, (low, high) in zip(self.src, self.kernel, self.stride, self.dilation, self.pad, strict=True)
        )

    @property
    def src_shape(self) -> tuple[int, ...]:
        return (self.batch, self.in_channels, *self.src)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (self.out_channels, self.in_channels // self.groups, *self.kernel)

    @property
    def dst_shape(self) -> tuple[int, ...]:
        return (self.batch, self.out_channels, *self.dst)

    @property
    def depthwise(self) -> bool:
        return self.groups == self.in_channels > 1

    @property
    def geometry(self) -> dict[str, object]:
        """The keyword arguments of tapwise's functions."""
        return {"stride": self.stride, "padding": self.pad, "dilation": self.dilation, "groups": self.groups}

    def with_batch(self, batch: int) -> Problem:
        return replace(self, batch=batch)

    def __str__(self) -> str:
        """The shortest descriptor that parses to this problem."""
        text = f"g{self.groups}" if self.groups != 1 else ""
        text += f"mb{self.batch}_ic{self.in_channels}{self._sizes('i', self.src)}"
        text += f"_oc{self.out_channels}{self._sizes('o', self.dst)}_{self._sizes('k', self.kernel)}"
        if any(s != 1 for s in self.stride):
            text += "_" + self._sizes("s", self.stride)
        if any(d != 1 for d in self.dilation):
            text += "_" + self._sizes("d", tuple(d - 1 for d in self.dilation))
        if any(low or high for low, high in self.pad):
            text += "_" + self._sizes("p", tuple(low for low, _ in self.pad))
        return text + (f'n"{self.name}"' if self.name else "")

    def _sizes(self, kind: str, sizes: tuple[int, ...]) -> str:
        axes = _AXES[3 - self.rank :]
        if len(set(sizes)) == 1:
            return f"{kind}{axes[0]}{sizes[0]}"
        return "".join(f"{kind}{axis}{size}" for axis, size in zip(axes, sizes, strict=True))


def parse(text: str) -> Problem:
    """The problem that a descriptor states; DescriptorError shows what is wrong with it, and where."""
    values, places, name = _tokens(text)
    end = len(text)

    def fail(key: str, expected: str) -> None:
        raise DescriptorError(text, places.get(key, end), expected)

    present = [axis for axis in _AXES if f"i{axis}" in values or f"k{axis}" in values]
    if not present:
        fail("", "an input size such as ih56")
    axes = _AXES[_AXES.index(present[0]) :]

    def spatial(kind: str, default: int | None, least: int) -> tuple[int, ...] | None:
        sizes: list[int] = []
        for axis in axes:
            size = values.get(kind + axis, sizes[-1] if sizes else default)
            if size is None:
                return None
            if size < least:
                fail(kind + axis, f"{kind + axis} of at least {least}")
            sizes.append(size)
        return tuple(sizes)

    for key in values:
        if len(key) == 2 and key[1] in _AXES and key[0] in "iokspd" and key[1] not in axes:
            fail(key, f"no {key} in a problem without i{key[1]}")
    for key in ("ic", "oc"):
        if values.get(key, 0) < 1:
            fail(key, f"{key} of at least 1")
    batch, groups = values.get("mb", 2), values.get("g", 1)
    if batch < 1:
        fail("mb", "mb of at least 1")
    if groups < 1 or values["ic"] % groups or values["oc"] % groups:
        fail("g", f"a g that divides ic{values['ic']} and oc{values['oc']}")

    src, kernel = spatial("i", None, 1), spatial("k", None, 1)
    if src is None or kernel is None:
        missing = "i" if src is None else "k"
        fail("", f"a size such as {missing}{axes[0]}3")
        raise AssertionError
    stride = spatial("s", 1, 1)
    dilation = spatial("d", 0, 0)
    dst, pad = spatial("o", None, 1), spatial("p", None, 0)
    assert stride is not None and dilation is not None
    pads = []
    for a, axis in enumerate(axes):
        extent = (kernel[a] - 1) * (dilation[a] + 1) + 1
        if dst is None:
            low = high = 0 if pad is None else pad[a]
            if src[a] + low + high < extent:
                fail(f"k{axis}", f"a kernel that spans no more than the padded input, {src[a] + low + high}")
        else:
            total = (dst[a] - 1) * stride[a] + extent - src[a]
            low = max(total, 0) // 2 if pad is None else pad[a]
            # As much at the end as at the start, where that gives the same output; else what the output needs.
            high = low if (src[a] + 2 * low - extent) // stride[a] + 1 == dst[a] else max(total - low, 0)
            outputs = (src[a] + low + high - extent) // stride[a] + 1
            if outputs != dst[a]:
                fail(f"o{axis}" if f"o{axis}" in values else f"o{axes[0]}", f"o{axis}{outputs}, or another padding")
        pads.append((low, high))
    return Problem(
        batch,
        values["ic"],
        values["oc"],
        groups,
        src,
        kernel,
        stride,
        tuple(d + 1 for d in dilation),
        tuple(pads),
        name,
    )


def _tokens(text: str) -> tuple[dict[str, int], dict[str, int], str]:
    values: dict[str, int] = {}
    places: dict[str, int] = {}
    at = 0
    while at < len(text):
        if text[at] == "_":
            at += 1
            continue
        if text.startswith('n"', at):
            end = text.find('"', at + 2)
            if end < 0:
                raise DescriptorError(text, len(text), "a closing quote")
            if end + 1 < len(text):
                raise DescriptorError(text, end + 1, "nothing after the name")
            return values, places, text[at + 2 : end]
        match = _TOKEN.match(text, at)
        if match is None or match["key"] not in _KEYS:
            raise DescriptorError(text, at, f'one of {" ".join(_KEYS)} with a number, or n"name"')
        key, number = match["key"], int(match["number"])
        if key in values:
            raise DescriptorError(text, at, f"{key} only once")
        if number > _LARGEST:
            raise DescriptorError(text, match.start("number"), f"a number of at most {_LARGEST}")
        values[key], places[key] = number, at
        at = match.end()
    return values, places, ""
