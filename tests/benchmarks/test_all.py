"""All figures: which are measured, in which order, and what is told."""

from __future__ import annotations

import sys

import pytest

from benchmarks import all as every
from benchmarks import recording
from gnn_readout.report.results import speed


@pytest.fixture
def figures(monkeypatch, machine):
  """Three figures, a dataset that is not there, and no process."""
  table = {
    "fast": speed.Figure(("data",), ("here",)),
    "slow": speed.Figure(("readouts", "--against=pyg"), ("here",)),
    "large": speed.Figure(("inner_steps",), ("here", "elsewhere")),
  }
  monkeypatch.setattr(speed, "FIGURES", table)
  monkeypatch.setattr(every, "_is_there", lambda name, folder: name == "here")
  monkeypatch.setattr(every, "_in_fresh_process", lambda function: function())
  return table


@pytest.fixture
def started(monkeypatch, figures, machine, rate):
  """The commands that are started; each writes its record."""
  commands = []

  def start(command):
    commands.append(command)
    words = [w for w in command[3:] if not w.startswith(("--records=",))]
    folder = next(
      (w.partition("=")[2] for w in command if w.startswith("--records=")), None
    )
    if folder:
      facts = {"rows": [rate()], "rounds": 5, "seconds": 60.0}
      text = " ".join(["python -m launch.benchmark", *words])
      recording.write(folder, text, facts)
    return 0, ""

  monkeypatch.setattr(every, "_process", start)
  return commands


def test_what_is_there_is_not_measured_again(
  started, figures, machine, tmp_path, capsys
):
  with pytest.raises(ValueError, match=r"1 figure of 3 not measured: large;"):
    every.run(records=str(tmp_path))
  assert [command[3] for command in started] == ["data", "readouts"]
  assert started[0][:3] == [sys.executable, "-m", "launch.benchmark"]
  assert started[1][4] == "--against=pyg"
  out = capsys.readouterr().out
  assert "large: skipped: elsewhere is not there" in out
  assert "[1/2] fast: python -m launch.benchmark data  ETA unknown" in out
  # Called again, there is nothing to do.
  result = every.run(["fast,slow"], records=str(tmp_path))
  assert len(started) == 2 and [x["name"] for x in result["rows"]] == [
    "fast", "slow",
  ]  # fmt: skip
  assert "fast: there already" in capsys.readouterr().out
  # Other code, or more rounds, and it is measured again; it is known how long
  # that takes.
  every.run(["slow"], rounds=6, records=str(tmp_path))
  machine.code = "bb"
  every.run(["fast", "slow"], records=str(tmp_path))
  assert [command[3] for command in started[2:]] == [
    "readouts", "data", "readouts",
  ]  # fmt: skip
  assert "[1/2] fast: python -m launch.benchmark data  ETA 2:00" in (
    capsys.readouterr().out
  )


def test_without_records_all_are_measured(started, tmp_path):
  for _ in range(2):
    every.run(["fast"], despite_load=True, data_dir="D", cache_dir="C")
  assert len(started) == 2
  assert set(started[0][4:]) == {
    "--rounds=5", "--data_dir=D", "--cache_dir=C", "--despite_load",
  }  # fmt: skip


def test_what_fails_is_told_and_the_rest_goes_on(figures, monkeypatch, capsys):
  said = {"data": (1, "error: others use the CPU"), "readouts": (-9, "")}
  monkeypatch.setattr(every, "_process", lambda command: said[command[3]])
  with pytest.raises(
    ValueError, match="2 figures of 2 not measured: fast, slo"
  ):
    every.run(["fast,slow"])
  out = capsys.readouterr().out
  assert "others use the CPU" in out and "error: others" not in out
  assert "it ended with status -9" in out


def test_an_unknown_figure(figures):
  with pytest.raises(ValueError, match=r"'fats'. Did you mean 'fast'\?"):
    every.run(["slow,fats"])


@pytest.mark.parametrize(
  ("seconds", "done", "left"),
  [
    ([None, None], 0, None),
    ([10.0, 30.0], 0, 40.0),
    ([10.0, 30.0], 1, 30.0),
    ([10.0, None, 30.0], 1, 50.0),
    ([], 0, None),
  ],
)
def test_remaining(seconds, done, left):
  assert every.remaining(seconds, done) == left


def test_a_process_passes_on_what_it_says(capfd):
  code = (
    "import sys; print('out'); print('one', file=sys.stderr); sys.exit('2')"
  )
  status, last = every._process([sys.executable, "-c", code])
  assert (status, last) == (1, "2")
  found = capfd.readouterr()
  assert found.out == "out\n" and found.err == "one\n2\n"
