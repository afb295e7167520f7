"""The programs in examples/, run as a user runs them: in a subprocess, without a terminal."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest

Run: TypeAlias = "tuple[Path, subprocess.CompletedProcess[str]]"
EXAMPLES = Path(__file__).parent.parent / "examples"
for package in ("matplotlib", "sklearn", "rich", "PIL"):
    pytest.importorskip(package)


def run(folder: Path, name: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / name), *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def assert_is_a_picture(path: Path) -> None:
    """A PNG with as many colours as only a picture with something on it has."""
    from matplotlib.image import imread

    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    pixels = imread(path)
    assert pixels.shape[0] >= 600 and pixels.shape[1] >= 1000
    assert len(np.unique(pixels[..., :3].reshape(-1, 3), axis=0)) > 100
    ink = (pixels[..., :3] < 0.99).any(axis=2).mean()
    assert 0.1 < ink < 0.95


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The whole training, with no options, as the README has it."""
    folder = tmp_path_factory.mktemp("digits")
    return folder, run(folder, "train_digits.py")


def epochs(output: str) -> list[tuple[str, ...]]:
    """The rows of the table: epoch, training loss, held-out loss, held-out accuracy."""
    return re.findall(r"^ *(\d+) +([\d.]+) +([\d.]+) +([\d.]+)%$", output, re.MULTILINE)


def test_train_digits_reaches_its_accuracy(digits: Run) -> None:
    folder, done = digits
    assert done.returncode == 0, done.stderr
    rows = epochs(done.stdout)
    assert [int(epoch) for epoch, *_ in rows] == list(range(1, 21))
    assert float(rows[-1][1]) < 0.1 * float(rows[0][1])  # the training loss
    accuracy = re.search(r"^held-out accuracy: ([\d.]+)%$", done.stdout, re.MULTILINE)
    assert accuracy and accuracy[1] == rows[-1][3]
    assert float(accuracy[1]) >= 97
    assert "parameters: 11,450 (without parameter sharing: 59,594)" in done.stdout
    assert "picture saved to train_digits.png" in done.stdout
    assert_is_a_picture(folder / "train_digits.png")


def test_train_digits_repeats_itself_and_obeys_its_options(digits: Run, tmp_path: Path) -> None:
    done = run(tmp_path, "train_digits.py", "--epochs=1", "--seed=0", "--out=one.png")
    assert done.returncode == 0, done.stderr
    assert epochs(done.stdout) == epochs(digits[1].stdout)[:1]
    assert [path.name for path in tmp_path.iterdir()] == ["one.png"]
    assert_is_a_picture(tmp_path / "one.png")


def test_photo_filters_draws_its_picture(tmp_path: Path) -> None:
    done = run(tmp_path, "photo_filters.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "picture saved to photo_filters.png\n"
    assert_is_a_picture(tmp_path / "photo_filters.png")


@pytest.mark.parametrize(
    ("name", "option", "message"),
    [
        ("train_digits.py", "--epochs=0", "--epochs expects at least 1, got 0"),
        ("train_digits.py", "--epochs=many", "invalid int value: 'many'"),
        ("train_digits.py", "--seed=-1", "--seed expects at least 0, got -1"),
        ("train_digits.py", "--out=nowhere/digits.png", "--out expects a .png file in a folder"),
        ("train_digits.py", "--out=digits.txt", "--out expects a .png file"),
        ("photo_filters.py", "--out=nowhere/photo.png", "--out expects a .png file in a folder"),
    ],
)
def test_a_wrong_option_is_refused_before_any_work(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    option: str,
    message: str,
) -> None:
    # In this process: what happens before the first image is loaded needs no fresh interpreter.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [name, option])
    with pytest.raises(SystemExit) as refused:
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    assert refused.value.code == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
