"""The command line: a short real run, reports of it, and wrong usage."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from bench import cli, results

ROOT = Path(__file__).resolve().parents[2]
TINY = 'mb1ic3ih8oc4kh3n"tiny"'
FAST = ("--peers", "numpy", "--seconds", "0.01", "--threads", "1")


def bench(*arguments, **options):
    environment = os.environ | {"COLUMNS": "130"}
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, **options,
    )  # fmt: skip


def test_a_run_and_what_can_be_made_of_it(tmp_path):
    file = tmp_path / "run.json"
    reports = ("--md", tmp_path / "a.md", "--html", tmp_path / "a.html")
    done = bench("run", TINY, "--dir", "all", *FAST, "--json", file, *reports)
    assert done.returncode == 0, done.stdout + done.stderr
    found = results.load(file)
    assert found.complete and not found.wrong
    assert [(r.direction, r.layout) for r in found.rows] == [
        (d, layout) for d in ("fwd", "fwd_relu", "bwd_d", "bwd_w", "bwd_b", "bwd") for layout in ("NCHW", "NHWC")
    ]
    for row in found.rows:
        assert row.own.seconds and row.own.error < 1e-5 and row.peak_flops > 1e9 and row.bandwidth > 1e8
        assert (row.best_peer is not None) == (row.direction == "bwd_b")
    assert re.search(r"tiny +fwd_relu +NHWC", done.stdout) and "Totals" in done.stdout
    assert "tiny" in (tmp_path / "a.md").read_text() and "<svg" in (tmp_path / "a.html").read_text()

    page, again = tmp_path / "b.html", bench("compare", file, file)
    assert bench("report", file, "--html", page).returncode == 0 and page.read_text().startswith("<!")
    assert "tiny" in bench("report", file, "--md").stdout
    assert again.returncode == 0 and "no difference" in again.stdout.lower()


def test_verify_times_nothing():
    done = bench("verify", TINY, "--dir", "fwd,bwd", "--peers", "none", "--threads", "1")
    assert done.returncode == 0 and re.search(r"tiny +bwd +NHWC", done.stdout)


def test_shape():
    done = bench("shape", TINY, "--dir", "fwd", "--layout", "NHWC", *FAST)
    assert done.returncode == 0 and "roofline" in done.stdout and "tapwise auto" in done.stdout


def test_peak():
    done = bench("peak", "--threads", "1")
    assert done.returncode == 0 and "GFLOP/s" in done.stdout and "triad" in done.stdout and "scalar" in done.stdout


def test_list():
    done = bench("list")
    assert all(word in done.stdout for word in ("core", "resnet50", "pytorch", "bwd_w"))
    assert 'n"' in bench("list", "core").stdout


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["run", "resnet5"], ["resnet5", "resnet50", "core"]),
        (["run", "mb1ic3ih8oc4kh3q"], ["^", "expected"]),
        (["run", "--peers", "torhc"], ["torhc", "pytorch"]),
        (["run", "--dir", "forward"], ["forward", "fwd", "bwd_w"]),
        (["run", "layer"], ["layer", "layers"]),
        (["run", "core", "--dir", "relu"], ["--dir", "relu"]),
        (["run", "layers", "--dir", "fwd"], ["--dir", "fwd"]),
        (["run", "layers", "--batch", "2"], ["--batch", "layers"]),
        (["run", "layers", "--algorithm", "direct"], ["--algorithm", "layers"]),
        (["run", "--layout", "NHCW"], ["NHCW", "NHWC"]),
        (["run", "--dtype", "float16"], ["float16", "float64"]),
        (["run", "--algorithm", "winogard"], ["winogard", "direct"]),
        (["run", "--threads", "0"], ["0", "at least 1"]),
        (["run", "--batch", "x"], ["x", "whole number"]),
        (["run", "--match", "("], ["--match"]),
        (["run", "--match", "nothing-is-called-so"], ["nothing-is-called-so"]),
        (["run", "--json", "/no/such/folder/x.json"], ["no such folder"]),
        (["compare", "a.json", "b.json", "--fail-if", "much"], ["much", "5%"]),
        (["report", "/no/such/file.json"], ["cannot be read"]),
        (["frobnicate"], ["frobnicate", "run"]),
    ],
)
def test_wrong_usage_says_what_was_expected(arguments, words, capsys):
    try:
        status = cli.main(arguments)
    except SystemExit as stop:
        status = stop.code
    message = capsys.readouterr().err
    assert status == 2 and "Traceback" not in message
    assert all(word in message for word in words), message


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "other"}', '{"schema": "tapwise-bench/0"}'])
def test_foreign_and_truncated_files(text, tmp_path, capsys):
    file = tmp_path / "x.json"
    file.write_text(text)
    assert cli.main(["report", str(file)]) == 2
    assert cli.main(["compare", str(file), str(file)]) == 2
    assert str(file) in capsys.readouterr().err


def test_interrupted_runs_keep_their_rows(tmp_path):
    file = tmp_path / "run.json"
    command = [sys.executable, "-m", "bench", "run", "tiny", "--peers", "none", "--seconds", "1", "--json", file]
    wide = os.environ | {"COLUMNS": "130"}
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs, and their children, ignore it
    with subprocess.Popen(command, cwd=ROOT, env=wide, stdout=subprocess.PIPE, text=True) as run:
        for line in run.stdout:
            if "fwd" in line and "NCHW" in line:
                break
        run.send_signal(signal.SIGINT)
        rest = run.stdout.read()
        assert run.wait(60) == 130, rest
    found = results.load(file)
    assert found.rows and not found.complete


def test_a_wrong_result_fails_the_run(monkeypatch, capsys):
    monkeypatch.setattr(cli.runner.reference, "tolerance", lambda case: 0.0)
    assert cli.main(["verify", TINY, "--dir", "fwd", "--peers", "none", "--threads", "1"]) == 1
    assert "wrong" in capsys.readouterr().out
