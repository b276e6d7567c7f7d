"""The progress line on a terminal and elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from gnn_readout.runs import progress


@pytest.fixture
def clock(monkeypatch):
  now = [100.0]
  monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
  return now


def test_plain_lines_now_and_then(clock):
  out = io.StringIO()
  with progress.ProgressLine(7, Console(file=out, width=20)) as line:
    line.show(1, lambda: pytest.fail("too early"))
    clock[0] += 11
    line.show(2, lambda: "step 2/7 [loss] 0.5 and a line that is long")
    line.show(3, lambda: pytest.fail("too early"))
    line.say("kept")
  assert out.getvalue() == (
    "step 2/7 [loss] 0.5 and a line that is long\nkept\n"
  )


def test_no_line_comes_twice(clock):
  out = io.StringIO()
  with progress.ProgressLine(7, Console(file=out, width=60)) as line:
    clock[0] += 11
    line.say("step 2/7")
    line.show(2, lambda: pytest.fail("one line just came"))
    clock[0] += 11
    line.show(2, lambda: "step 2/7")  # Nothing new.
    line.show(3, lambda: "step 3/7")
    clock[0] += 11
    line.show(3, lambda: "step 2/7")
  assert out.getvalue() == "step 2/7\nstep 3/7\nstep 2/7\n"


def test_a_terminal_gets_a_bar_four_times_a_second(clock):
  out = io.StringIO()
  console = Console(file=out, force_terminal=True, width=60)
  with progress.ProgressLine(7, console) as line:
    clock[0] += 0.2
    line.show(1, lambda: pytest.fail("too early"))
    clock[0] += 0.1
    line.show(2, lambda: "step 2/7")
  assert "step 2/7" in out.getvalue()
  assert "━" in out.getvalue()


def test_counting_says_how_long_the_rest_takes(clock):
  out = io.StringIO()
  with progress.counting(1300, "graphs", Console(file=out, width=60)) as show:
    clock[0] += 13
    show(1000)
    show(1100)
  assert out.getvalue() == "1,000 of 1,300 graphs  ETA 0:04\n"


@pytest.mark.parametrize(
  ("seconds", "text"),
  [(0.2, "0:00"), (59.6, "1:00"), (123, "2:03"), (3723, "1:02:03")],
)
def test_duration(seconds, text):
  assert progress.duration(seconds) == text
