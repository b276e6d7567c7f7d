"""What a run remembers: points of curves, few and always the same ones."""

from __future__ import annotations

import dataclasses
import json

import pytest

from gnn_readout.training import history


def _logged(num_logs, log_every=7, start=None):
  result = start or history.History()
  for i in range(len(result.train), num_logs):
    step = log_every * (i + 1)
    result.log(step, {"loss": 1 / step, "a": step / 3, "b": -step})
  return result


@pytest.mark.parametrize("num_logs", [1, 199, 200])
def test_a_short_curve_keeps_every_point(num_logs):
  result = _logged(num_logs)
  steps = [7 * (i + 1) for i in range(num_logs)]
  assert [step for step, _ in result.diagnostics["b"]] == steps
  assert result.diagnostics["b"] == [[step, -step] for step in steps]
  assert [step for step, _ in result.train] == steps


@pytest.mark.parametrize(
  ("num_logs", "stride"),
  [(201, 2), (400, 2), (401, 4), (1009, 8), (10007, 64)],
)
def test_a_long_curve_keeps_evenly_spaced_points(num_logs, stride):
  result = _logged(num_logs)
  expected = [7 * (i + 1) for i in range(0, num_logs, stride)]
  for curve in result.diagnostics.values():
    assert [step for step, _ in curve] == expected
    assert history.MAX_POINTS // 2 <= len(curve) <= history.MAX_POINTS
  assert len(result.train) == num_logs


def test_values_keep_six_digits():
  result = history.History()
  result.log(1, {"loss": 0.123456789, "a": 123.456789, "b": 1.23456789e-9})
  assert result.train == [[1, 0.123456789]]
  assert result.diagnostics == {"a": [[1, 123.457]], "b": [[1, 1.23457e-9]]}


@pytest.mark.parametrize("max_points", [1, 2, 3, 8])
@pytest.mark.parametrize("stop", [1, 5, 16, 17, 30])
def test_a_restart_changes_no_point(monkeypatch, max_points, stop):
  monkeypatch.setattr(history, "MAX_POINTS", max_points)
  whole = _logged(37)
  saved = json.dumps(dataclasses.asdict(_logged(stop)))
  resumed = _logged(37, start=history.History(**json.loads(saved)))
  assert resumed == whole
  assert 1 <= len(whole.diagnostics["a"]) <= max_points


def test_a_checkpoint_from_before_the_diagnostics_can_be_gone_on_from():
  values = dataclasses.asdict(_logged(150))
  del values["diagnostics"]
  result = _logged(300, start=history.History(**values))
  steps = [step for step, _ in result.diagnostics["a"]]
  assert steps == [7 * (i + 1) for i in range(150, 300) if i < 200 or not i % 2]


def test_the_best_is_the_first_of_the_lowest_or_highest():
  for sign, best in ((-1, 2), (1, 1)):
    result = history.History()
    for step, value in enumerate((0.5, 0.7, 0.2, 0.2)):
      result.score(step, {"valid": value, "test": 1.0}, sign)
    assert result.best == {"step": best, "valid": [0.5, 0.7, 0.2, 0.2][best]}
    # Patience is counted from the last of them.
    assert result.waited() == (0 if sign < 0 else 2)
  assert result.scores["test"] == [[step, 1.0] for step in range(4)]


def test_a_score_that_is_no_number_is_never_the_best():
  result = history.History()
  for step, value in enumerate((0.1, float("nan"), 0.05)):
    result.score(step, {"valid": value}, 1)
  assert result.best == {"step": 0, "valid": 0.1}
