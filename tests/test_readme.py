"""The README's Python examples run as they stand, each block after the ones above it."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
BLOCKS = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(not README.exists(), reason="the README is not part of this tree")
def test_python_blocks(tmp_path, monkeypatch):
    text = README.read_text()
    blocks = list(BLOCKS.finditer(text))
    assert blocks, "the README has no Python examples"
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "readme"}
    for block in blocks:
        line = text.count("\n", 0, block.start(1))
        source = "\n" * line + block[1]
        exec(compile(source, str(README), "exec"), names)
