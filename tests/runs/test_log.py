"""The files that a run leaves behind to read."""

from __future__ import annotations

import json
import shutil
import sys

import pytest
from absl import logging

from gnn_readout.runs.log import MetricsLog


def _lines(workdir):
  text = (workdir / "metrics.jsonl").read_text()
  return [json.loads(line) for line in text.splitlines()]


def test_lines_are_on_disk_at_once(tmp_path):
  with MetricsLog(tmp_path, 0, tensorboard=False) as log:
    log.write(3, {"loss": 0.5})
    assert _lines(tmp_path) == [{"step": 3, "loss": 0.5}]


def test_going_on_drops_later_and_broken_lines(tmp_path):
  with MetricsLog(tmp_path, 0, tensorboard=False) as log:
    for step in (3, 5, 7):
      log.write(step, {"loss": step / 10})
  with (tmp_path / "metrics.jsonl").open("a") as file:
    file.write('{"step": 9, "lo')  # Killed while it wrote.
  with MetricsLog(tmp_path, 5, tensorboard=False) as log:
    log.write(7, {"loss": 0.71})
  assert _lines(tmp_path) == [
    {"step": 3, "loss": 0.3},
    {"step": 5, "loss": 0.5},
    {"step": 7, "loss": 0.71},
  ]


def test_tensorboard_files_hold_the_numbers(tmp_path):
  tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
  from tensorflow.python.summary import summary_iterator

  with MetricsLog(tmp_path, 0, tensorboard=True) as log:
    log.write(3, {"loss": 0.5})
  (path,) = (tmp_path / "tensorboard").iterdir()
  values = {
    value.tag: (event.step, tf.make_ndarray(value.tensor).item())
    for event in summary_iterator.summary_iterator(str(path))
    for value in event.summary.value
  }
  assert values == {"loss": (3, 0.5)}


def test_without_tensorflow_there_is_a_warning(tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, "tensorflow", None)
  said = []
  monkeypatch.setattr(logging, "warning", said.append)
  with MetricsLog(tmp_path, 0, tensorboard=True) as log:
    log.write(3, {"loss": 0.5})
  assert len(said) == 1
  assert "TensorFlow is not installed" in said[0]
  assert len(_lines(tmp_path)) == 1


def test_a_full_disk_is_named(tmp_path):
  with (
    open("/dev/full", "w") as full,
    pytest.raises(OSError, match=r"No space .*metrics\.jsonl"),
    MetricsLog(tmp_path, 0, tensorboard=False) as log,
  ):
    log._file.close()
    log._file = full
    log.write(3, {"loss": 0.5})


def test_tensorflows_errors_are_os_errors(tmp_path, monkeypatch):
  tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

  def fail(*unused, **unused_too):
    text = "{{function_node x}} a.v2; No space left\n\tCould not flush."
    raise tf.errors.ResourceExhaustedError(None, None, text)

  monkeypatch.setattr(tf.summary, "write", fail)
  with (
    pytest.raises(OSError, match=r"event files: a\.v2; No space left$"),
    MetricsLog(tmp_path, 0, tensorboard=True) as log,
  ):
    log.write(3, {"loss": 0.5})


@pytest.mark.parametrize(
  "line",
  ["[]", "7", "null", '"text"', "{}", '{"step": "5"}', '{"step": null}', "{",
   "[" * 10_000, '{"step": 5, "step": 6}', "\x00"],
)  # fmt: skip
def test_lines_that_are_no_metrics_are_left_out(tmp_path, caplog, line):
  good = ['{"step": 3, "loss": 0.3}', '{"step": 5, "loss": 0.5}']
  text = "\n".join([good[0], line, good[1]]) + "\n"
  (tmp_path / "metrics.jsonl").write_text(text)
  with MetricsLog(tmp_path, 5, tensorboard=False) as log:
    log.write(7, {"loss": 0.7})
  assert [line["step"] for line in _lines(tmp_path)] == [3, 5, 7]
  (message,) = caplog.messages
  assert "metrics.jsonl: lines without metrics were left out: line 2" in message


def test_a_folder_that_is_deleted_ends_the_run(tmp_path):
  (tmp_path / "run").mkdir()
  with MetricsLog(tmp_path / "run", 0, tensorboard=False) as log:
    log.write(3, {"loss": 0.3})
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(OSError, match=r"metrics.jsonl was deleted while a run"):
      log.write(5, {"loss": 0.5})
