"""The timings for real devices (tests/gpu/time_passes.py) run on the emulated one, for a layer that it can compute."""

import sys
from pathlib import Path


def test_a_row(emulation, capsys, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "gpu"))
    import time_passes

    time_passes.main(["--suite", "tiny", "--match", "lenet5", "--rounds", "1"])
    rows = [line for line in capsys.readouterr().out.splitlines() if "TFLOP/s" in line]
    assert len(rows) >= 8 and all("tapwise float32" in row and "tapwise tf32" in row for row in rows)
    sys.modules.pop("time_passes", None)
