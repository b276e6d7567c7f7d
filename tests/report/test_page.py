"""The page: what is in it, and what a browser makes of it."""

from __future__ import annotations

import html.parser
import json
import re
import shutil
import subprocess

import pytest

from gnn_readout.report import page
from gnn_readout.report.blocks import Figure, File, Pair, Section, Table
from gnn_readout.report.figures import style

ROWS = [
  {"dataset": "b", "test": "0.5 ± 0.1", "steps": "1,009", "command": "a `b` c"},
  {"dataset": "a10", "test": "12.25", "steps": "20", "command": ""},
  {"dataset": "a9", "test": "", "steps": "3", "command": "x < y"},
]
_VOID = ("meta", "use", "path", "circle", "rect", "br", "img")


@pytest.fixture(scope="module")
def text():
  with style.context():
    figure = style.empty(height=2.0)
    figure.subplots().plot([1, 2], [3, 5], label="line")
    data = style.save(figure)
  blocks = [
    "See `code <x>` in [runs.md](runs.md).",
    Figure("drawn", "A line & more", data),
    Table("Scores", ROWS),
    Table("Nothing", []),
    "**Bold & bold**, not `2**3**4`.",
    Pair(Figure("a", "Left", data), Figure("b, c", "Right", data)),
    File("rows.csv", "for,a\nspreadsheet,1\n"),
  ]
  return page.html_page([Section("one", "First > one", blocks)])


class _Nesting(html.parser.HTMLParser):
  """Fails where a tag is closed that is not open."""

  def __init__(self):
    super().__init__()
    self.open, self.seen = [], []

  def handle_starttag(self, tag, attrs):
    self.seen.append((tag, dict(attrs)))
    if tag not in _VOID:
      self.open.append(tag)

  def handle_endtag(self, tag):
    if tag not in _VOID:
      assert self.open.pop() == tag, tag


def test_the_page_is_well_formed_and_needs_no_network(text):
  parser = _Nesting()
  parser.feed(text)
  assert parser.open == []
  for tag, attributes in parser.seen:
    assert tag not in ("link", "img", "iframe")
    for name in ("src", "href", "xlink:href"):
      target = attributes.get(name) or ""
      assert target.startswith("#") or target in ("", "runs.md"), target
  assert "@import" not in text and "url(http" not in text


def test_tables_and_paragraphs(text):
  assert '<h2 id="one">First &gt; one</h2>' in text
  assert '<a href="#one">First &gt; one</a>' in text
  assert '<code>code &lt;x&gt;</code> in <a href="runs.md">runs.md</a>' in text
  assert text.count("<table>") == 1
  assert '<caption id="one-2">Scores</caption>' in text
  assert text.count('<th scope="col">') == 2
  assert text.count('<th scope="col" class="number">steps</th>') == 1
  assert text.count('<th scope="row" data-title="dataset">') == 3
  # Commands are for a shell: nothing in them is Markdown.
  below = '<tr class="below"><td colspan="3"><p data-title="command">'
  assert f"{below}<code>a `b` c</code></p></td></tr>" in text
  assert text.count('class="below"') == 2  # One row has no command.
  assert '<td class="number" data-title="steps">1,009</td>' in text
  assert '<td class="score" data-title="test">0.5 ± 0.1</td>' in text
  assert "<figcaption>A line &amp; more</figcaption>" in text


def test_what_is_bold_and_what_is_code(text):
  assert (
    "<p><strong>Bold &amp; bold</strong>, not <code>2**3**4</code>." in text
  )


def test_figures_side_by_side_have_ids_of_their_own(text):
  pair = text[text.index('<div class="pair">') :]
  assert pair.count("<figure>") == 2
  assert text.count("<figure>") == 3
  ids = re.findall(r' id="([^"]+)"', text)
  assert len(ids) == len(set(ids))
  assert not any(" " in name or "," in name for name in ids)


def test_a_file_is_not_shown(text):
  assert "spreadsheet" not in text


# Clicks through the page and writes what it finds as the title of the page.
_SCRIPT = """
const found = [];
const table = document.querySelector("table");
const column = (n) =>
  [...table.querySelectorAll("tbody tr:not(.below)")].map(
    (row) => row.cells[n].textContent);
const click = (n) => {
  const header = table.tHead.rows[0].cells[n];
  header.querySelector("button").click();
  const sorted = table.querySelectorAll("[aria-sort]").length;
  const order = header.getAttribute("aria-sort");
  found.push([order, sorted, ...column(n)].join("|"));
};
[0, 1, 1, 2].forEach(click);
// Every command is still below its row.
found.push([...table.querySelectorAll(".below")].map((row) =>
  `${row.previousElementSibling.cells[0].textContent}: ${row.textContent}`));
const spot = document.querySelector("figure circle");
const tip = document.getElementById("tooltip");
found.push(tip.hidden);
spot.dispatchEvent(new PointerEvent("pointerover", {bubbles: true}));
found.push(tip.hidden, tip.textContent);
document.body.dispatchEvent(new PointerEvent("pointerover", {bubbles: true}));
found.push(tip.hidden, getComputedStyle(document.body).backgroundColor);
document.title = found.join(";");
"""


def _browse(text, script, folder, width=1280):
  """Returns the title that a script gives to the page in a real browser."""
  browser = shutil.which("chromium") or shutil.which("google-chrome")
  if not browser:
    pytest.skip("no Chromium to open the page with")
  path = folder / "page.html"
  path.write_text(text.replace("</body>", f"<script>{script}</script></body>"))
  done = subprocess.run(
    [browser, "--headless", "--no-sandbox", "--disable-gpu",
     f"--window-size={width},900", f"--user-data-dir={folder / 'profile'}",
     "--dump-dom", path.as_uri()],
    capture_output=True, text=True, timeout=600, check=True,
  )  # fmt: skip
  return re.search(r"<title>([^<]*)</title>", done.stdout)[1]


def test_a_browser_sorts_and_shows_values(text, tmp_path):
  title = _browse(text, _SCRIPT, tmp_path)
  assert title.split(";") == [
    "ascending|1|a9|a10|b",  # Text, with the numbers in it as numbers.
    "ascending|1|0.5 ± 0.1|12.25|",  # By value, empty cells last.
    "descending|1|12.25|0.5 ± 0.1|",
    "ascending|1|3|20|1,009",
    "a9: x &lt; y,b: a `b` c",
    "true",
    "false",
    "line: 3",
    "true",
    "rgb(253, 253, 252)",  # Of page.css, in light.
  ]


# As wide as those of results/.
_WIDE = {
  "dataset": "ogbg-moltoxcast",
  "model": "GIN, eps = inputs",
  "readout": "equilibrium, squared",
  "protocol": "fspool2019, selected on test",
  "test": "86.0 ± 1.3",
  "mean over": "10 repeats",
  "published": "0.7529 ± 0.0069 (OGB baselines, as quoted by later work)",
  "difference / published std": "+0.7",
  "epochs to converge": "142 ± 66",
  "published epochs": "244 ± 95",
  "grid points x folds x repeats x epochs": "8 x 10 x 10 x 500",
  "reduced": "1 of 10 repeats; 100 of 500 epochs; 1 of 8 points; a note",
  "command": "python -m launch.train " + "--config.model.readout.name=sum " * 9,
}
# As wide as those of the runs, whose command is below the row.
_RUN = {
  "dataset": "ogbg-moltoxcast",
  "train / valid / test": "33,524 / 4,191 / 4,191",
  "model": "gin",
  "readout": "equilibrium",
  "inner steps": "10",
  "auxiliary weight": "0.0001",
  "width": "300",
  "learning rate": "0.0003",
  "steps": "31,410",
  "epochs": "0.48",
  "seeds": "3",
  "metric": "ROC-AUC",
  "test": "0.7591 ± 0.0027",
  "valid": "0.7383 ± 0.0077",
  "published test": _WIDE["published"],
  "parameters": "1,270,268",
  "note": "128 wide instead of 300, 12 epochs instead of OGB's 100",
  "command": _WIDE["command"],
}
# How many pixels of tables, captions and cells lie outside of the window, and
# the smallest font.
_MEASURE = """
const seen = [...document.querySelectorAll("caption, thead th, tbody th, td")];
const boxes = seen.map((cell) => cell.getBoundingClientRect());
const out = Math.max(...boxes.map((box) => box.right - window.innerWidth));
const scrolls = [...document.querySelectorAll(".scroll")].map(
  (box) => box.scrollWidth - box.clientWidth);
const fonts = seen.map((cell) => parseFloat(getComputedStyle(cell).fontSize));
document.title = [window.innerWidth, Math.max(0, Math.ceil(out)),
  Math.max(...scrolls), Math.min(...fonts)].join("|");
"""


@pytest.mark.parametrize("width", [1400, 768, 390])
def test_a_table_is_read_without_scrolling_to_the_side(tmp_path, width):
  rows = [_WIDE, _WIDE | {"test": "12.5 ± 0.1", "mean over": ""}]
  tables = [Table("Scores", rows), Table("Runs", [_RUN])]
  text = page.html_page([Section("wide", "Wide", tables)])
  # In a frame, as a browser's own window may have a least width.
  inner = text.replace("</body>", f"<script>{_MEASURE}</script></body>")
  frame = (
    "<!doctype html><title></title><body>"
    f"<iframe style='width: {width}px; height: 900px; border: 0'></iframe>"
    "</body>"
  )
  script = """
    const frame = document.querySelector("iframe");
    frame.srcdoc = SOURCE;
    frame.onload = () => { document.title = frame.contentDocument.title; };
  """.replace("SOURCE", json.dumps(inner).replace("</", "<\\/"))
  shown, outside, scrolled, font = _browse(frame, script, tmp_path).split("|")
  assert int(shown) == width
  assert (int(outside), int(scrolled)) == (0, 0)
  assert float(font) >= 12


def test_a_row_of_a_narrow_window_says_its_titles(text):
  assert '<p data-title="command">' in text
  assert "content: attr(data-title)" in text


def test_a_command_breaks_between_its_options():
  command = "python -m launch.train --config=a.py:gcn '--config.note=a b'"
  for block in (f"Run `{command}`.", Table("Runs", [{"command": command}])):
    text = page.html_page([Section("one", "One", [block])])
    code = text.split("<code>")[-1].split("</code>")[0]
    assert re.findall(r"<span>([^<]*)</span>", code) == [
      "-m",
      "--config=a.py:gcn",
      "'--config.note=a",
    ]
    assert re.sub(r"</?span>", "", code) == command
