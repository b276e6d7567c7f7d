"""What a log is told by."""

from __future__ import annotations

import pytest

from gnn_readout.sweeps import jobs


@pytest.mark.parametrize(
  ("text", "line"),
  [("", ""), ("a\nb\n\n", "b"), ("x" * 9000 + "\nlast", "last"), ("a\n ", "a")],
)
def test_last_line(tmp_path, text, line):
  (tmp_path / "log").write_text(text)
  assert jobs.last_line(tmp_path / "log") == line
  assert jobs.last_line(tmp_path / "none") == ""


def test_brief():
  line = "step 1,200/4,000  loss 0.18  969 graphs/s  ETA 1:02:03"
  assert jobs.brief(line) == "step 1,200/4,000  ETA 1:02:03"
  assert jobs.brief("compiled shape 1 of 4") == "compiled shape 1 of 4"
