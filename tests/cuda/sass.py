"""What machine code is made of: kernels by their names, instructions, and the loops that they form."""

import functools
import re
from collections import Counter, defaultdict
from dataclasses import dataclass


@dataclass(frozen=True)
class Kernel:
    """One instance of a kernel's template."""

    symbol: str
    method: str  # the template
    math: str  # float32, tf32 or float64
    along: tuple[str, ...]  # of implicit_gemm, the directions of its operands
    numbers: tuple[int, ...]  # the template's other arguments

    @staticmethod
    @functools.cache
    def of(symbol):
        # _ZN7tapwise4cuda13implicit_gemmINS0_4GemmINS0_4SimtIfEELNS0_5AlongE1ELS5_1ELi4ELi4ELi2EEEEEv...
        prefix = re.match(r"_ZN7tapwise4cuda(\d+)", symbol)
        assert prefix, f"not a kernel of tapwise::cuda: {symbol}"
        name, rest = symbol[prefix.end() :][: int(prefix[1])], symbol[prefix.end() + int(prefix[1]) :]
        value = re.match(r"I(?:NS0_4GemmINS0_4SimtI)?([fd])", rest)
        math = {"f": "float32", "d": "float64"}[value[1]] if value else "tf32"
        assert value or "10TensorCore" in rest, f"an unknown way to multiply: {symbol}"
        along = re.findall(r"L(?:NS0_5AlongE|S\d*_)([01])E", rest)
        return Kernel(
            symbol,
            name,
            math,
            tuple(("depth", "rows")[int(a)] for a in along),
            tuple(map(int, re.findall(r"Li(\d+)E", rest))),
        )

    @property
    def is_gemm(self):
        return self.method == "implicit_gemm"

    @property
    def copy_bytes(self):
        """Of implicit_gemm: what one asynchronous copy brings."""
        return self.numbers[0] * self.value_bytes

    @property
    def value_bytes(self):
        return 8 if self.math == "float64" else 4

    @property
    def gemm(self):
        """The C++ type that implicit_gemm is instantiated with."""
        math = {"float32": "Simt<float>", "float64": "Simt<double>", "tf32": "TensorCore"}[self.math]
        return f"Gemm<{math}, {', '.join(f'Along::{a}' for a in self.along)}, {', '.join(map(str, self.numbers))}>"

    def __str__(self):
        return self.gemm if self.is_gemm else f"{self.method}<{', '.join([self.math, *map(str, self.numbers)])}>"


@dataclass(frozen=True)
class Instruction:
    text: str

    @functools.cached_property
    def _words(self):
        return re.sub(r"^@\S+\s+", "", self.text).split(None, 1)

    @property
    def opcode(self):
        """With its modifiers: LDS.64."""
        return self._words[0]

    @property
    def name(self):
        return self._words[0].split(".")[0]

    @functools.cached_property
    def label(self):
        """Where a branch goes."""
        found = re.search(r"`\((\.L_x_\d+)\)", self.text)
        return found[1] if found else None

    @property
    def jumps(self):
        # The compiler leaves a loop by a call that nothing returns from; functions have names, not labels.
        return self.name in ("BRA", "CALL") and self.label is not None

    @property
    def always_leaves(self):
        """Whether the next instruction does not follow."""
        if self.text.startswith("@"):
            return False
        if self.name == "BRA":
            return self._words[1].startswith("`")  # no predicate among the operands
        return self.name in ("EXIT", "RET") or (self.name == "CALL" and self.jumps)


MULTIPLY = {"float32": "FFMA", "float64": "DFMA", "tf32": "HMMA"}


class Code:
    """The instructions of one kernel."""

    def __init__(self, kernel):
        self.kernel = kernel
        self.instructions = []
        self.labels = {}

    def count(self, *names):
        return count(self.instructions, *names)

    @functools.cached_property
    def loops(self):
        """The natural loops, each a list of instructions, the longest first.

        A loop is what reaches a jump backwards without passing its target, which is the only way in.
        """
        size = len(self.instructions)
        starts = {0, *(at for at in self.labels.values() if at < size)}
        starts |= {i + 1 for i, x in enumerate(self.instructions) if (x.jumps or x.always_leaves) and i + 1 < size}
        firsts = sorted(starts)
        block_at = {first: block for block, first in enumerate(firsts)}
        ends = firsts[1:] + [size]
        before = defaultdict(set)
        loops = defaultdict(set)
        for block, end in enumerate(ends):
            last = self.instructions[end - 1]
            if last.jumps:
                before[block_at[self.labels[last.label]]].add(block)
            if not last.always_leaves and end < size:
                before[block + 1].add(block)
        for block, end in enumerate(ends):
            last = self.instructions[end - 1]
            if not last.jumps or block_at[self.labels[last.label]] > block:
                continue
            head = block_at[self.labels[last.label]]
            inside, open_ends = {head}, [block]
            while open_ends:
                one = open_ends.pop()
                if one not in inside:
                    inside.add(one)
                    open_ends += before[one]
            if head == 0 or 0 not in inside:
                loops[head] |= inside
        found = [
            [x for b in sorted(blocks) for x in self.instructions[firsts[b] : ends[b]]] for blocks in loops.values()
        ]
        return sorted(found, key=len, reverse=True)

    @functools.cached_property
    def multiplying_loops(self):
        """Those with multiply-adds. Of implicit_gemm, the first is that of the stages, the last the innermost."""
        return [loop for loop in self.loops if count(loop, MULTIPLY[self.kernel.math])]


def count(instructions, *names):
    return sum(x.name in names for x in instructions)


def mix(instructions):
    """How often each instruction occurs, the most frequent first."""
    return ", ".join(f"{n} {name}" for name, n in Counter(x.name for x in instructions).most_common())
