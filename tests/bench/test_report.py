"""Both reports of results as they come: complete, cut short, without peers, with names that no format likes."""

import math
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import made_up
import pytest
from bench.report import html, markdown, plots, tables
from bench.results import Peaks, Results, Sample, load, save

ODD = 'a<b>&"c" | $x$ *y* `z` _w_ id="q" url(#q) <script>alert(1)</script>'
# Void elements of HTML, which have no end tag.
VOID = {"meta", "link", "br", "img"}


def only(**options):
    return made_up.results(layers=made_up.LAYERS[:1], directions=["forward"], layouts=["NCHW"], **options)


def stopped():
    run = made_up.results()
    run.complete, run.rows = False, run.rows[:5]
    return run


def lost():
    run = made_up.results()
    made_up.lose(run.rows[0])
    made_up.lose(run.rows[1], wrong=True)
    return run


def stopped_everywhere():
    run = made_up.results()
    run.complete, run.rows = False, run.rows[:8]
    for row in run.rows:
        made_up.lose(row)
    return run


def odd():
    run = made_up.results()
    for row in run.rows:
        row.name = row.problem = ODD
    run.rows[0].suite = run.rows[0].layout = run.command = run.machine["cpu"] = run.machine[ODD] = ODD
    run.rows[0].samples[1].who = run.peers[0].name = run.peers[0].note = run.peers[-1].note = ODD
    return run


def unnamed():
    run = made_up.results()
    for row in run.rows:
        row.name = ""
    return run


CASES = {
    "complete": made_up.results,
    "one row": only,
    "one row, no peers": lambda: only(peers=()),
    "no peers": lambda: made_up.results(peers=()),
    "incomplete": stopped,
    "lost rows": lost,
    "odd names": odd,
    "no names": unnamed,
    "threads": lambda: made_up.results(threads=(1, 2, 6, 8)),
    "many rows": lambda: made_up.results(layers=made_up.LAYERS * 15, directions=["forward"]),
    "nothing": Results,
}


@pytest.fixture(params=CASES, scope="module")
def run(request, tmp_path_factory):
    """Each case as a file gives it back."""
    path = tmp_path_factory.mktemp("run") / "run.json"
    save(CASES[request.param](), path)
    return load(path)


class Page(HTMLParser):
    """A page's text, tags and ids; elements that do not nest fail."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.ids, self.references, self.text = [], [], [], [], []
        self.addresses = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            elif name in ("href", "xlink:href", "src"):
                (self.references if value.startswith("#") else self.addresses).append(value.removeprefix("#"))
            elif name != "title":
                self.references += re.findall(r"url\(#([^)]*)\)", value or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text.append(data)


def test_a_page_is_whole_and_asks_for_nothing(run):
    text = html.render(run)
    page = Page(text)
    assert len(set(page.ids)) == len(page.ids)
    assert set(page.references) <= set(page.ids)
    assert page.addresses == ["data:,"]
    assert not {"script", "img", "iframe", "object"} & set(page.tags)
    assert "@import" not in text and not re.search(r"url\(\s*['\"]?(?!#)", text)
    assert 'name="viewport"' in text and "prefers-color-scheme: dark" in text
    assert page.tags.count("style") == 1


def test_each_table_scrolls_by_itself(run):
    text = html.render(run)
    assert text.count("<table") == len(re.findall(r'<div class="scroll"[^>]*>\s*<table', text)) > 0


def test_every_row_is_in_both_reports(run):
    page = Page(html.render(run))
    tables_shown = markdown.render(run)
    for row in run.rows:
        name = row.name or row.problem
        assert name in page.text
        assert (f"| {markdown.escape(name)} |" if row.name else f"`{name}`") in tables_shown


def test_markdown_tables_are_rectangles(run):
    blocks = [b for b in markdown.render(run).split("\n\n") if b.startswith("|")]
    assert blocks
    for block in blocks:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1


def test_the_figures_of_a_row():
    run = only()
    row = run.rows[0]
    row.flops, row.peak_flops, row.bytes, row.bandwidth = 2e9, 100e9, 1e8, 2e9
    row.samples[:] = [
        Sample("tapwise", "", True, [0.1], 1.23e-7, True, "winograd", 3 << 20),
        Sample("pytorch", "NCHW", True, [0.0996], 0.1, True),
        Sample("onnxruntime", "NHWC", False, [0.2], 0.1, True),
    ]
    (table,) = tables.rows(run)
    cells = dict(zip((column.head for column in table.columns), table.rows[0], strict=True))
    assert {head: cell.text for head, cell in cells.items()} == {
        "problem": "conv1",
        "layout": "NCHW",
        "ratio": "0.996x",
        "to": "pytorch NCHW",
        "time": "100 ms",
        "GFLOP/s": "20.0",
        "of peak": "20.0%",
        "of roofline": "50.0%",
        "algorithm": "winograd",
        "workspace": "3.00 MiB",
        "error": "1.2e-07",
        "pytorch": "99.6 ms",
        "onnxruntime": "200 ms*",
    }
    assert cells["ratio"].mark == "below"
    assert "**0.996x**" in markdown.render(run)
    assert '<td class="number below">0.996x</td>' in html.render(run)


def test_rows_tell_apart_what_the_run_varies():
    heads = [column.head for column in tables.rows(made_up.results(threads=(1, 2)))[0].columns]
    assert "setting" in heads and "suite" not in heads
    run = made_up.results()
    run.rows[0].suite = "another"
    heads = [column.head for column in tables.rows(run)[0].columns]
    assert "suite" in heads and "setting" not in heads


def test_notes_say_what_is_missing():
    run = lost()
    run.complete = False
    made_up.own(run.rows[1]).note = "wrong: off by 1.0e-01"
    for row in run.rows[2:10]:
        row.peers[0].ok, row.peers[0].error, row.peers[0].note = False, math.nan, "RuntimeError: no memory"
    notes = "\n".join(tables.notes(run))
    assert "incomplete" in notes
    assert f"Wrong result: tapwise on {run.rows[1].title}: wrong: off by 1.0e-01." in notes
    five = ", ".join(row.title for row in run.rows[2:4])
    assert f"Left out: pytorch NCHW on {five}, " in notes and notes.count("RuntimeError") == 2
    assert f"No correct time of tapwise on {run.rows[0].title}, {run.rows[1].title}." in notes
    assert [row[-2].text for row in tables.rows(run)[0].rows[2:5]] == ["failed"] * 3
    assert [row[-3].text for row in tables.rows(run)[0].rows[:2]] == ["–", "wrong"]
    assert "and 3 more rows" in tables.notes(stopped_everywhere())[1]
    assert "Absent peer: onednn (not installed)." in notes
    text = Page(html.render(run)).text
    for note in tables.notes(run):
        assert note in text
        assert f"- **{markdown.escape(note)}**" in markdown.render(run)


def test_a_run_without_flaws_has_no_notes():
    run = made_up.results()
    run.peers.pop()
    assert tables.notes(run) == []
    assert "notes" not in html.render(run).split("</style>")[1]


def test_no_peers_no_ratios():
    run = made_up.results(peers=())
    assert "No peer was measured" in markdown.render(run)
    text = html.render(run)
    assert "of the roofline" in text and "Ratio" not in text.split("</style>")[1].replace("Ratios and shares", "")


def test_networks_and_totals_are_shown():
    run = made_up.results()
    made_up.lose(run.rows[0])
    run.rows[1].peers[0].seconds = []
    text = markdown.render(run)
    assert "| resnet50 | forward NCHW | 10 | lacks 1 of 4 rows | lacks 1 of 4 rows | – |" in text
    assert "## Totals" in text and "## Ratio to each peer" in text
    assert "<h2>Networks</h2>" in html.render(run)


def test_the_headline_has_machine_date_and_every_direction():
    text = html.render(made_up.results()).split("<h2>")[0]
    assert "Example CPU @ 2.0 GHz · 2025-01-31 12:00:00 UTC" in text
    for direction in made_up.DIRECTIONS:
        assert f"<h3>{direction}</h3>" in text
    assert len(re.findall(r"<strong class=\"(above|below)\">\d\.\d\dx</strong>", text)) == 3


def test_machine_and_peaks_in_words():
    run = made_up.results()
    run.machine |= {
        "caches": [{"level": 1, "bytes": 32768}, {"level": 2}],
        "environment": {"OMP_X": "1"},
        "smt": False,
        "ghz": 2.0,
        "nothing": None,
    }
    shown = {row[0].text: row[1].text for row in tables.machine(run).rows}
    assert shown["memory"] == "16.0 GiB"
    assert (shown["isa"], shown["smt"], shown["ghz"], shown["nothing"]) == ("avx2, avx512", "no", "2", "–")
    assert (shown["caches"], shown["environment"]) == ("level=1, 32.0 KiB; level=2", "OMP_X=1")
    peaks = [[cell.text for cell in row] for row in tables.peaks(run).rows]
    assert ["FMA float32 avx512", "1", "64.0 GFLOP/s"] in peaks
    assert ["read, 256 MiB", "1", "11.0 GB/s"] in peaks
    assert peaks[-1] == ["one call, without its work", "–", "2.30 µs"]


def test_escaped_markdown_stays_on_its_line():
    assert markdown.escape("a_b *c*\n| <d> & [e](f) `g` _h_") == r"a_b \*c\* \| &lt;d&gt; &amp; \[e\](f) \`g\` \_h\_"


def svg(text):
    return ElementTree.fromstring(text)


def labels(text):
    return ["".join(element.itertext()).strip() for element in svg(text).iter() if element.tag.endswith("}text")]


def test_plots_are_left_out_where_they_would_be_empty():
    run = made_up.results(peers=())
    assert plots.ratios(run.rows, "r") == ""
    assert plots.scaling(run, "s") == ""
    for row in run.rows:
        made_up.lose(row)
    assert plots.roofline(run, "p") == ""
    assert "<svg" not in html.render(run) and "<figure" not in html.render(run)


def test_a_plot_is_well_formed_text_of_its_own():
    run = odd()
    run.rows = run.rows[:1]
    text = plots.ratios(run.rows, "here")
    assert all(element.get("id").startswith("here-") for element in svg(text).iter() if element.get("id"))
    assert "<style" not in text and "<metadata" not in text
    assert "width=" not in text.split(">")[0] and "viewBox" in text.split(">")[0]
    assert text == plots.ratios(run.rows, "here")
    plain = only()
    plain.rows[0].name = '$x$ id="q"'
    assert '$x$ id="q" NCHW' in labels(plots.ratios(plain.rows, "here"))


def test_every_colour_of_a_plot_can_change_with_the_page():
    run = made_up.results(threads=(1, 2))
    for text in (plots.roofline(run, "a"), plots.ratios(run.rows[:8], "b"), plots.scaling(run, "c")):
        for style in re.findall(r'style="([^"]*)"', text):
            assert not re.search(r"(?:fill|stroke): #", style), style


def test_bars_show_every_ratio_and_their_side():
    rows = made_up.results(directions=["forward"]).rows
    text = plots.ratios(rows, "r")
    shown = labels(text)
    for row in rows:
        assert f"{row.name} {row.layout}" in shown
    below = sum(row.ratio < 1 for row in rows)
    assert 0 < below < len(rows)
    assert len(re.findall(r'<path[^>]*style="fill: var\(--below', text)) == below
    assert len(re.findall(r'<path[^>]*style="fill: var\(--above', text)) == len(rows) - below


def test_bars_do_not_repeat_the_network_that_all_rows_are_of():
    rows = made_up.results(directions=["forward"], layouts=["NCHW"]).rows
    for row in rows:
        row.name = f"resnet50:{row.name}"
    assert "conv1 NCHW" in labels(plots.ratios(rows, "r"))
    rows[0].name = "vgg16:conv1"
    shown = labels(plots.ratios(rows, "r"))
    assert "vgg16:conv1 NCHW" in shown and "conv1 NCHW" not in shown
    assert "resnet50:l…er1.0.conv2 NCHW" in shown


def test_the_roofline_shows_the_kind_with_most_rows_and_its_ceilings():
    run = made_up.results(threads=(1, 4))
    shown = labels(plots.roofline(run, "r"))
    assert "FMA peak 256 GFLOP/s, float32, 4 threads" in shown
    assert "read 256 MiB: 44.0 GB/s" in shown
    assert set(made_up.DIRECTIONS) <= set(shown)
    run.rows.pop()
    assert "FMA peak 64.0 GFLOP/s, float32, 1 thread" in labels(plots.roofline(run, "r"))
    run.peaks = Peaks()
    assert "read 11.0 GB/s" in labels(plots.roofline(run, "r"))


def test_scaling_has_a_line_per_row_with_several_thread_counts():
    run = made_up.results(threads=(1, 2, 4), directions=["forward"], layouts=["NCHW"])
    made_up.lose(run.rows[0])
    made_up.lose(run.rows[4])  # of this problem one thread count is left
    text = plots.scaling(run, "s")
    assert {"ideal", "forward", "threads", "speed-up", "1", "2", "4"} <= set(labels(text))
    assert text.count("stroke-opacity: 0.35") == 3
    run.rows = [row for row in run.rows if row.threads == 2]
    assert plots.scaling(run, "s") == ""


def test_a_bandwidth_that_nobody_measured_leaves_the_peak():
    run = only()
    run.peaks = Peaks()
    run.rows[0].bandwidth = math.nan
    assert any(label.startswith("FMA peak") for label in labels(plots.roofline(run, "r")))
