"""The command line of the bench suite."""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

import tapwise

from . import bars, compare, counting, functions, live, machine, peaks, peers, runner, suites
from .descriptor import DescriptorError, parse
from .functions import FUNCTIONS
from .report import html, markdown, tables
from .results import Peaks, PeerInfo, Results, ResultsError, load, save
from .suites import Layer, SuiteError

_DIRECTIONS = {**counting.DIRECTIONS, **{name: work.meaning for name, work in FUNCTIONS.items()}}
_PROGRAM = f"python -m {__package__}"


class UsageError(ValueError):
    """A wrong argument; the message says what was expected."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit status: 0, 1 (wrong results, a slower build), 2 (wrong usage)."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # whoever reads a pipe sees each row at once
    parser = _parser()
    options = parser.parse_args(arguments)
    console = live.console()
    try:
        status: int = options.run(options, console)
        return status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (DescriptorError, SuiteError, UsageError, peers.UnknownPeer, ResultsError) as error:
        gap, text = ("\n" if "\n" in str(error) else " "), str(error)
        print(f"{parser.prog}:{gap}{text}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=_PROGRAM, description="How close tapwise comes to the machine and others.")
    commands = parser.add_subparsers(required=True, metavar="command")

    run = commands.add_parser("run", help="measure suites, or single problems")
    _selection(run)
    _measuring(run)
    run.add_argument("--seconds", type=float, default=0.2, help="of timing for each row (default %(default)s)")
    run.add_argument("--json", metavar="FILE", help="write everything that was measured")
    run.add_argument("--md", metavar="FILE", help="write a report in Markdown")
    run.add_argument("--html", metavar="FILE", help="write a report as one page")
    run.set_defaults(run=_run)

    verify = commands.add_parser("verify", help="check results only, against a float64 reference")
    _selection(verify)
    _measuring(verify)
    verify.set_defaults(run=_run, seconds=0.0, json=None, md=None, html=None, timed=False)

    shape = commands.add_parser("shape", help="everything about one problem")
    shape.add_argument("problem", metavar="DESCRIPTOR")
    _measuring(shape)
    shape.add_argument("--seconds", type=float, default=1.0, help="of timing for each row (default %(default)s)")
    shape.set_defaults(run=_shape)

    show_peaks = commands.add_parser("peak", help="measure what the machine can do")
    show_peaks.add_argument("--threads", type=_threads, default=None, metavar="N[,N...]")
    show_peaks.set_defaults(run=_peak)

    listing = commands.add_parser("list", help="suites, peers, directions; with suites, their problems")
    listing.add_argument("suites", nargs="*", metavar="SUITE")
    listing.set_defaults(run=_list)

    report = commands.add_parser("report", help="turn a JSON file into a report")
    report.add_argument("file", metavar="FILE")
    report.add_argument("--html", metavar="OUT")
    report.add_argument("--md", metavar="OUT", nargs="?", const="-", help="to OUT, or to the terminal")
    report.set_defaults(run=_report)

    judging = commands.add_parser("bars", help="which rows of the suite direct are short of their bars")
    judging.add_argument("files", nargs="+", metavar="FILE", help="JSON of one run, or of several that share the rows")
    judging.add_argument("--md", action="store_true", help="as Markdown")
    judging.set_defaults(run=_bars)

    comparing = commands.add_parser("compare", help="tell whether one build is slower than another")
    comparing.add_argument("old", metavar="OLD")
    comparing.add_argument("new", metavar="NEW")
    comparing.add_argument("--fail-if", type=_share, default=0.05, metavar="5%", help="default 5%%")
    comparing.add_argument("--md", action="store_true", help="as Markdown")
    comparing.set_defaults(run=_compare)
    return parser


def _selection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", nargs="*", metavar="SUITE|DESCRIPTOR", help="default: core; see the command list")
    parser.add_argument("--match", metavar="REGEX", help="only problems whose name matches")


def _measuring(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dir",
        type=_names(_DIRECTIONS, "direction"),
        default=None,
        metavar="fwd,...",
        help=f"of {', '.join(counting.DIRECTIONS)}, or all; default fwd,bwd_d,bwd_w. Of the suite {functions.SUITE} "
        "its functions, see the command list; default all",
    )
    parser.add_argument(
        "--layout",
        type=_names(("first", "last"), "layout", _LAYOUTS),
        default=("first", "last"),
        metavar="NCHW,NHWC",
        help="default: both",
    )
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--batch", type=_positive, help="instead of the problems' own")
    parser.add_argument(
        "--threads",
        type=_threads,
        default=None,
        metavar="N[,N...]",
        help=f"default: all CPUs; where the suite {functions.SUITE} takes part 1 and all",
    )
    parser.add_argument("--cold", action="store_true", help="with caches flushed before every call")
    parser.add_argument("--no-out", action="store_true", help="let tapwise allocate its results")
    parser.add_argument(
        "--algorithm",
        type=lambda text: tuple(text.split(",")),
        default=("auto",),
        metavar="auto,...",
        help="of tapwise; all for each that there is",
    )
    parser.add_argument("--peers", type=lambda text: text.split(","), default=None, metavar="NAME,...",
                        help=f"of {', '.join(p.name for p in peers.PEERS)}, or none; default: all")  # fmt: skip


_LAYOUTS = {
    "NCHW": "first", "NCW": "first", "NCDHW": "first", "NHWC": "last", "NWC": "last", "NDHWC": "last",
}  # fmt: skip


def _names(known: Sequence[str] | dict[str, str], what: str, aliases: dict[str, str] | None = None):  # type: ignore[no-untyped-def]
    shown = ", ".join(aliases or known)

    def parse_names(text: str) -> tuple[str, ...]:
        if text == "all":
            return tuple(known)
        found = []
        for name in text.split(","):
            name = (aliases or {}).get(name, name)
            if name not in known:
                raise argparse.ArgumentTypeError(f"unknown {what} {name!r}; there are {shown}, and all")
            found.append(name)
        return tuple(dict.fromkeys(found))

    return parse_names


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def _threads(text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(_positive(part) for part in text.split(",")))


def _share(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(%?)", text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"expected a share such as 5% or 0.05, got {text!r}")
    return float(match[1]) / (100 if match[2] else 1)


def _rows(
    what: Sequence[str], match: str | None, given: argparse.Namespace
) -> tuple[list[runner.Planned | runner.PlannedFunction], runner.Options]:
    """What is to be measured, and how. Convolutions come first."""
    convolutions = [text for text in what if text != functions.SUITE]
    layers = _layers(convolutions) if convolutions or not what else []
    chosen = [
        (work, shape)
        for name, work in FUNCTIONS.items()
        if functions.SUITE in what and (given.dir is None or name in given.dir)
        for shape in work.shapes
    ]
    if match is not None:
        try:
            pattern = re.compile(match)
        except re.error as error:
            raise UsageError(f"--match: {error}") from None
        layers = [layer for layer in layers if pattern.search(layer.problem.name)]
        chosen = [(work, shape) for work, shape in chosen if pattern.search(f"{work.function}:{shape}")]
        if not layers and not chosen:
            raise UsageError(f"--match: no problem's name matches {match!r}")
    if chosen and (given.batch or given.algorithm != ("auto",)):
        raise UsageError(f"--batch and --algorithm are for convolutions; the suite {functions.SUITE} takes neither")
    options = _options(given, (1, tapwise.get_num_threads()) if chosen else (tapwise.get_num_threads(),))
    rows: list[runner.Planned | runner.PlannedFunction] = [*runner.plan(layers, options)]
    rows += runner.plan_functions(chosen, options)
    if not rows:
        raise UsageError(f"--dir: nothing chosen has {', '.join(given.dir)}; see the command list")
    return rows, options


def _layers(what: Sequence[str]) -> list[Layer]:
    """Suites and single problems, in the order given. Descriptors have digits behind their keys; names of suites are
    looked up first."""
    known = suites.names()
    layers: list[Layer] = []
    for text in what or ["core"]:
        if text not in known and re.match(r"[a-z]+\d+_?[a-z]+\d", text) and "ic" in text:
            layers.append(Layer(parse(text), 1, "command line"))
        else:
            layers.extend(suites.load(text))
    return layers


def _options(given: argparse.Namespace, threads: tuple[int, ...]) -> runner.Options:
    directions = ("fwd", "bwd_d", "bwd_w") if given.dir is None else given.dir
    return runner.Options(
        directions=tuple(name for name in directions if name in counting.DIRECTIONS),
        layouts=given.layout,
        dtype=given.dtype,
        threads=given.threads or tuple(dict.fromkeys(threads)),
        batch=given.batch,
        cold=given.cold,
        out=not given.no_out,
        algorithms=_algorithms(given.algorithm),
        budget=given.seconds,
        timed=getattr(given, "timed", True),
    )


def _algorithms(names: Sequence[str]) -> tuple[str, ...]:
    built = tapwise.build_info()["algorithms"]
    if tuple(names) == ("all",):
        return tuple(built)
    known = ("auto", *built)
    for name in names:
        if name not in known:
            raise UsageError(f"unknown algorithm {name!r}; there are {', '.join(known)}, and all")
    return tuple(names)


def _present(names: Sequence[str] | None) -> tuple[list[peers.Peer], list[PeerInfo]]:
    chosen = peers.select(names)
    infos = [peer.info() for peer in chosen]
    return [peer for peer, info in zip(chosen, infos, strict=True) if info.version], infos


def _run(given: argparse.Namespace, console: Console) -> int:
    rows, options = _rows(given.what, given.match, given)
    for path in (given.json, given.md, given.html):
        if path is not None and not Path(path).resolve().parent.is_dir():
            raise UsageError(f"{path}: there is no such folder")
    present, infos = _present(given.peers)
    results = Results(
        command=" ".join([_PROGRAM, *sys.argv[1:]]),
        started=runner.clock(),
        options=vars(options),
        machine=machine.describe(),
        peers=infos,
        peaks=peaks.measure(options.threads, (options.dtype,)) if options.timed else Peaks(),
    )
    live.show_machine(console, results.machine, results.peaks, infos)
    longest = max(len(row.direction) for row in rows)
    live.header(console, longest)
    start = time.perf_counter()
    with live.progress(console) as bar:
        task = bar.add_task("measuring", total=len(rows))
        try:
            for row in runner.run(rows, options, results.peaks, present):
                results.rows.append(row)
                live.show_row(console, row, longest)
                bar.advance(task)
            results.complete = True
        except KeyboardInterrupt:
            console.print("[bold]stopped[/]; what was measured so far is kept")
    results.seconds = time.perf_counter() - start
    if results.rows and options.timed:
        live.show_totals(console, results)
    _write(results, given)
    for row, sample in results.wrong:
        console.print(f"[bold red]wrong[/] {row.title}: {sample.label} {sample.note}")
    return 1 if results.wrong else 0 if results.complete else 130


def _write(results: Results, given: argparse.Namespace) -> None:
    if given.json:
        save(results, given.json)
    if given.md:
        Path(given.md).write_text(markdown.render(results), encoding="utf-8")
    if given.html:
        Path(given.html).write_text(html.render(results), encoding="utf-8")


def _shape(given: argparse.Namespace, console: Console) -> int:
    rows, options = _rows([given.problem], None, given)
    present, infos = _present(given.peers)
    roofs = peaks.measure(options.threads, (options.dtype,))
    live.show_machine(console, machine.describe(), roofs, infos)
    wrong = False
    for row in runner.run(rows, options, roofs, present):
        live.show_shape(console, row)
        wrong = wrong or any(not s.ok for s in row.samples if s.who == "tapwise")
    console.print("* on copies in its own layout, made beforehand", style="dim")
    return 1 if wrong else 0


def _peak(given: argparse.Namespace, console: Console) -> int:
    threads = given.threads or tuple(dict.fromkeys((1, tapwise.get_num_threads())))
    table = Table("instruction set", "dtype", "threads", "FMA peak", title="multiply-adds in registers")
    for n in threads:
        for dtype in ("float32", "float64"):
            for isa, flops in peaks.fma_by_isa(dtype, n).items():
                table.add_row(isa, dtype, str(n), f"{flops / 1e9:.1f} GFLOP/s")
    console.print(table)
    roofs = peaks.measure(threads, ("float32",))
    table = Table("bytes", "threads", "read", "triad", title="bandwidth by footprint")
    for read, triad in zip(roofs.read, roofs.triad, strict=True):
        table.add_row(f"{read['bytes'] >> 10:,} KiB", str(read["threads"]), f"{read['rate'] / 1e9:.1f} GB/s",
                      f"{triad['rate'] / 1e9:.1f} GB/s")  # fmt: skip
    console.print(table)
    console.print(f"a call costs {roofs.call_overhead * 1e6:.2f} us beside its work")
    return 0


def _list(given: argparse.Namespace, console: Console) -> int:
    if not given.suites:
        table = Table("suite", "problems", "about")
        for name in suites.names():
            table.add_row(name, str(len(suites.load(name))), suites.source(name).splitlines()[0])
        shapes = sum(len(work.shapes) for work in FUNCTIONS.values())
        table.add_row(functions.SUITE, str(shapes), functions.ABOUT)
        console.print(table)
        table = Table("peer", "version")
        for info in _present(None)[1]:
            table.add_row(info.name, info.version or info.note)
        console.print(table)
        table = Table("direction", "is")
        for name, meaning in _DIRECTIONS.items():
            table.add_row(name, meaning)
        console.print(table)
    for name in given.suites:
        if name == functions.SUITE:
            print(*(f"{work.function}:{shape}" for work in FUNCTIONS.values() for shape in work.shapes), sep="\n")
            continue
        for layer in suites.load(name):
            print(f"{layer.problem}" + (f" *{layer.count}" if layer.count > 1 else ""))
    return 0


def _report(given: argparse.Namespace, console: Console) -> int:
    results = load(given.file)
    if given.html:
        Path(given.html).write_text(html.render(results), encoding="utf-8")
    text = markdown.render(results)
    if given.md and given.md != "-":
        Path(given.md).write_text(text, encoding="utf-8")
    elif given.md or not given.html:
        print(text)
    return 0


def _bars(given: argparse.Namespace, console: Console) -> int:
    runs = [load(file) for file in given.files]
    verdicts = bars.judge(Results(rows=[row for run in runs for row in run.rows]))
    for head, lines in (bars.table(verdicts), bars.short_rows(verdicts)):
        if given.md:
            cells = [[tables.Cell(text) for text in line] for line in lines]
            print(markdown.table(tables.Table("", [tables.Column(title) for title in head], cells)), end="\n\n")
        else:
            table = Table(*head)
            for line in lines:
                table.add_row(*line)
            console.print(table)
    return 0


def _compare(given: argparse.Namespace, console: Console) -> int:
    comparison = compare.compare(load(given.old), load(given.new), given.fail_if)
    if given.md:
        print(comparison.markdown())
    else:
        print(comparison.text(console.width, colour=console.is_terminal))
    return 1 if comparison.failed else 0
