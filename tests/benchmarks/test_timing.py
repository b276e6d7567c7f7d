"""Rates by turns, and tables of them."""

from __future__ import annotations

import json

import pytest

from benchmarks import timing


def test_alternate_takes_turns_and_rates_are_items_per_second(monkeypatch):
  now, calls = [0.0], []
  monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])

  def function(name, items, seconds):
    def call():
      calls.append(name)
      now[0] += seconds[min(calls.count(name) - 1, len(seconds) - 1)]
      return items

    return call

  measured = timing.alternate(
    {
      "ours": function("ours", 7, [100.0, 1.0]),  # A slow first call.
      "peer": function("peer", 3, [50.0, 2.0, 4.0, 6.0, 8.0]),
    },
    rounds=3,
    min_seconds=2.5,
  )
  # A warm-up each, then runs of at least 2.5 seconds.
  warm, rest = calls[:2], "".join(name[0] for name in calls[2:])
  assert warm == ["ours", "peer"]
  assert rest == "ooopp" + "ooop" + "ooop"
  assert measured["ours"] == (7.0, 0.0, [7.0, 7.0, 7.0])
  assert measured["peer"].runs == [6 / 6, 3 / 6, 3 / 8]
  assert measured["peer"].median == 0.5
  assert measured["peer"].iqr == pytest.approx((1 + 0.5) / 2 - 0.4375)
  record = timing.compare("thing", measured)
  assert record["ratio"] == 14.0
  assert record["runs"]["peer"] == measured["peer"].runs
  assert record["against"] == "peer"
  assert json.loads(json.dumps(record)) == record


def test_every_peer_has_a_row_and_so_have_those_that_lack(capsys):
  def side(rate):
    return timing.Measurement(rate, 1.0, [rate])

  measured = {"ours": side(1200.0), "a": side(300.0), "b": side(2400.0)}
  rows = timing.compare_all("thing", measured, {"c": "no compiler"})
  assert [row["against"] for row in rows] == ["a", "b", "c"]
  assert [row.get("ratio") for row in rows] == [4.0, 0.5, None]
  assert [row["ours"] for row in rows] == [1200.0] * 3
  assert rows[2]["unavailable"] == "no compiler"
  assert rows[2]["iqr"] == {"ours": 1.0} and "peer" not in rows[2]
  timing.print_compared("title", rows)
  lines = capsys.readouterr().out.splitlines()
  assert "1,200 ± 1" in lines[4] and "4.00x" in lines[4]
  assert "not measured" in lines[6] and "no compiler" in lines[-1]


def test_table_columns_line_up(capsys):
  timing.print_table("title", ["", "long column"], [["a", "1"], ["bb", "23"]])
  lines = capsys.readouterr().out.splitlines()
  assert lines[0] == "title"
  assert len({len(line) for line in lines[1:]}) == 1
  assert lines[4].split("│")[2] == "           1 "
