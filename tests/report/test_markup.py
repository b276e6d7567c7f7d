"""Numbers, tables and sections as text."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from gnn_readout.report import markup


def test_mean_and_deviation_are_numpys():
  values = [0.31, 0.42, 0.27]
  expected = np.mean(values), np.std(values, ddof=1)
  assert markup.mean_deviation(values) == pytest.approx(expected, abs=1e-6)
  assert markup.mean_deviation([0.5]) == (0.5, None)


def test_numbers_as_a_reader_sees_them():
  assert markup.plus_minus(0.75, 0.0071) == "0.7500 ± 0.0071"
  assert markup.plus_minus(72.06, 1.25, digits=1) == "72.1 ± 1.2"
  assert markup.plus_minus(0.75, None) == "0.7500"
  assert markup.plus_minus(None, None) == markup.optional(None) == ""
  assert markup.optional(0.0001) == "0.0001"


def test_markdown_and_csv_of_what_would_break_them():
  rows = [{"a": "pipe | and\nline", "b": "1"}, {"a": 'comma, "q"', "b": ""}]
  header, rule, first, second = markup.markdown_table(rows).split("\n")
  assert (header, rule) == ("| a | b |", "| --- | --- |")
  assert (first, second) == ("| pipe \\| and line | 1 |", '| comma, "q" |  |')
  assert list(csv.DictReader(io.StringIO(markup.csv_table(rows)))) == rows
  assert markup.markdown_table([]) == ""


def test_write_section_keeps_what_is_around(tmp_path):
  path = tmp_path / "README.md"
  around = "# Title\n\n<!-- t:begin -->\n{}\n<!-- t:end -->\n\nafter\n"
  path.write_text(around.format("old"))
  for body in ("new", "new", "newer"):
    markup.write_section(path, "t", body, "Not used")
    assert path.read_text() == around.format(body)


@pytest.mark.parametrize(
  ("title", "heading"), [("", ""), ("Runs", "## Runs\n\n")]
)
def test_write_section_appends_what_is_not_there(tmp_path, title, heading):
  path = tmp_path / "README.md"
  for first in ("# Results\n", "# Mine\n"):
    markup.write_section(path, "t", "new", title)
    section = f"\n{heading}<!-- t:begin -->\nnew\n<!-- t:end -->\n"
    assert path.read_text() == first + section
    path.write_text("# Mine\n")


@pytest.mark.parametrize(
  "text",
  [
    "<!-- t:begin --> only",
    "<!-- t:end --> only",
    "<!-- t:end --> then <!-- t:begin -->",
    "<!-- t:begin --> <!-- t:begin --> <!-- t:end -->",
    "<!-- t:begin --> <!-- t:end --> <!-- t:end -->",
  ],
)
def test_write_section_refuses_anything_but_one_pair(tmp_path, text):
  path = tmp_path / "README.md"
  path.write_text(text)
  with pytest.raises(ValueError, match=r"README\.md: needs <!-- t:begin -->"):
    markup.write_section(path, "t", "new")
  assert path.read_text() == text


HOSTILE = {
  "<script>alert(1)</script>": "&lt;script>alert(1)&lt;/script>",
  "<!-- t:end -->": "&lt;!-- t:end -->",
  "a < b, p <0.05 & c": "a < b, p <0.05 & c",
  "&lt;b&gt; &#60;": "&amp;lt;b&amp;gt; &amp;#60;",
  "`<b>` <b>": "`<b>` &lt;b>",
  "``<b>` <b>": "``&lt;b>` &lt;b>",
  r"\`<b>` <b>": r"\`&lt;b>` &lt;b>",
  "![x](http://host/x.png) [runs.md](runs.md)":
    "![x]\\(http://host/x.png) [runs.md](runs.md)",
  "`a\n<!-- t:end -->\nb`": "`a <!-- t:end --> b`",
}  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_of_a_record_is_html(text):
  assert markup.escaped(text) == HOSTILE[text]


@pytest.mark.parametrize("text", [*HOSTILE, "`", "a `` b ` c", "``` x"])
def test_a_section_ends_where_it_does(tmp_path, text):
  path = tmp_path / "README.md"
  for body in (markup.escaped(text), markup.escaped(markup.code(text)), "new"):
    markup.write_section(path, "t", body)
  around = "# Results\n\n<!-- t:begin -->\nnew\n<!-- t:end -->\n"
  assert path.read_text() == around


@pytest.mark.parametrize("text", ["a", "`", "a `b` c", "`` x ` y", "```"])
def test_code_holds_any_backticks(text):
  (found,) = markup.CODE.finditer(markup.code(text))
  inside = found[2]
  assert found[0] == markup.code(text)
  assert (inside[1:-1] if "`" in text[:1] + text[-1:] else inside) == text


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-x", "@SUM(A1)", "\t=1"])
def test_a_text_is_no_formula(text):
  assert markup.csv_table([{"a": text}]) == f"a\n'{text}\n"
  assert markup.csv_table([{text: "a"}]) == f"'{text}\na\n"


@pytest.mark.parametrize(
  "value", ["-1", "-0.5", "+1.5e-3", "-1,009", "-1,000.5", -7, 0.5, ""]
)
def test_a_number_stays_one(value):
  cell = f'"{value}"' if "," in str(value) else value
  cell = '""' if value == "" else cell
  assert markup.csv_table([{"a": value}]) == f"a\n{cell}\n"
