"""The page: what is in it, and what a browser makes of it."""

from __future__ import annotations

import html.parser
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
  assert text.count('<th scope="col">') == 4
  assert text.count('<th scope="row" data-title="dataset">') == 3
  # Commands are for a shell: nothing in them is Markdown.
  assert '<td data-title="command"><code>a `b` c</code></td>' in text
  assert '<td class="number" data-title="steps">1,009</td>' in text
  assert '<td data-title="test">0.5 ± 0.1</td>' in text
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
  [...table.rows].slice(1).map((row) => row.cells[n].textContent);
const click = (n) => {
  const header = table.tHead.rows[0].cells[n];
  header.querySelector("button").click();
  const sorted = table.querySelectorAll("[aria-sort]").length;
  const order = header.getAttribute("aria-sort");
  found.push([order, sorted, ...column(n)].join("|"));
};
[0, 1, 1, 2].forEach(click);
const spot = document.querySelector("figure circle");
const tip = document.getElementById("tooltip");
found.push(tip.hidden);
spot.dispatchEvent(new PointerEvent("pointerover", {bubbles: true}));
found.push(tip.hidden, tip.textContent);
document.body.dispatchEvent(new PointerEvent("pointerover", {bubbles: true}));
found.push(tip.hidden, getComputedStyle(document.body).backgroundColor);
document.title = found.join(";");
"""


def test_a_browser_sorts_and_shows_values(text, tmp_path):
  browser = shutil.which("chromium") or shutil.which("google-chrome")
  if not browser:
    pytest.skip("no Chromium to open the page with")
  path = tmp_path / "page.html"
  path.write_text(text.replace("</body>", f"<script>{_SCRIPT}</script></body>"))
  done = subprocess.run(
    [browser, "--headless", "--no-sandbox", "--disable-gpu",
     f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", path.as_uri()],
    capture_output=True, text=True, timeout=600, check=True,
  )  # fmt: skip
  title = re.search(r"<title>([^<]*)</title>", done.stdout)[1]
  assert title.split(";") == [
    "ascending|1|a9|a10|b",  # Text, with the numbers in it as numbers.
    "ascending|1|0.5 ± 0.1|12.25|",  # By value, empty cells last.
    "descending|1|12.25|0.5 ± 0.1|",
    "ascending|1|3|20|1,009",
    "true",
    "false",
    "line: 3",
    "true",
    "rgb(253, 253, 252)",  # Of page.css, in light.
  ]
