"""The Python examples of the README run as they stand, each block after those above it; its gradients are right."""

import re
from pathlib import Path

import numpy as np
import pytest

import tapwise

README = Path(__file__).parent.parent / "README.md"
BLOCKS = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


pytestmark = pytest.mark.skipif(not README.exists(), reason="the README is not part of this tree")


def run(blocks, text):
    names = {"__name__": "readme"}
    for block in blocks:
        line = text.count("\n", 0, block.start(1))
        source = "\n" * line + block[1]
        exec(compile(source, str(README), "exec"), names)
    return names


def test_python_blocks(tmp_path, monkeypatch):
    text = README.read_text()
    blocks = list(BLOCKS.finditer(text))
    assert blocks, "the README has no Python examples"
    monkeypatch.chdir(tmp_path)
    run(blocks, text)


def test_the_gradients_of_the_first_block_are_those_of_its_result():
    """Finite differences in float64 of the sum of y, whose gradient by y is one, along each gradient."""
    text = README.read_text()
    names = run([BLOCKS.search(text)], text)
    operands = [names["images"].astype(float), names["weight"].astype(float), np.zeros(16)]

    def total(*operands):
        return tapwise.conv2d(*operands, padding="same", activation="relu").sum()

    np.testing.assert_allclose(total(*operands), names["y"].sum(dtype=float), rtol=1e-5)
    for i, name in enumerate(("grad_x", "grad_w", "grad_b")):
        grad = names[name].astype(float)
        there, back, slope = list(operands), list(operands), np.linalg.norm(grad)
        there[i], back[i] = there[i] + 1e-5 * grad / slope, back[i] - 1e-5 * grad / slope
        np.testing.assert_allclose((total(*there) - total(*back)) / 2e-5, slope, rtol=1e-4)
