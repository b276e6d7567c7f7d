"""Records of benchmarks: when there is one, and what it is compared with."""

from __future__ import annotations

import json

import pytest

from benchmarks import load, recording
from gnn_readout import records

COMMAND = "python -m launch.benchmark data --rounds=7"


def _measure(folder, rows, **options):
  def function():
    return {"name": "data", "rows": rows, "rounds": 7}

  return recording.measure(function, COMMAND, folder, **options)


def test_a_record_has_what_decides_a_rate(machine, rate, tmp_path, capsys):
  machine.before, machine.meanwhile = 0.01, 0.02
  result = _measure(tmp_path, [rate()])
  assert result["rows"] == [rate()]
  (record,) = records.read_folder(tmp_path, "benchmark").values()
  assert record["name"] == "data_cpu_a_machine_3"
  assert (record["benchmark"], record["command"]) == ("data", COMMAND)
  assert (record["rounds"], record["code"]) == (7, "aa")
  assert record["load"] == {"before": 0.01, "meanwhile": 0.02}
  assert record["rows"] == [rate()] and record["slower"] == []
  assert record["seconds"] >= 0
  assert "recorded: data_cpu_a_machine_3" in capsys.readouterr().out


def test_nothing_is_measured_where_others_use_the_cpu(machine, rate, tmp_path):
  machine.before = 0.43
  with pytest.raises(ValueError, match=r"used 43% of the CPU before it start"):
    _measure(tmp_path, None)  # Nobody asks for the rows.
  assert not list(tmp_path.iterdir())


def test_it_is_measured_without_a_record_on_demand(
  machine, rate, tmp_path, capsys
):
  machine.before = 0.43
  result = _measure(tmp_path, [rate()], despite_load=True)
  assert result["rows"] == [rate()] and not list(tmp_path.iterdir())
  assert "used 43% of the CPU before" in capsys.readouterr().out
  machine.before = 0.0  # A flag does not cost a record that may be made.
  _measure(tmp_path, [rate()], despite_load=True)
  assert len(list(tmp_path.iterdir())) == 1


def test_load_that_comes_meanwhile_costs_the_record(
  machine, rate, tmp_path, capsys
):
  machine.meanwhile = load.MOST + 0.1
  with pytest.raises(ValueError, match=r"15% of the CPU meanwhile.* not recor"):
    _measure(tmp_path, [rate()])
  _measure(tmp_path, [rate()], despite_load=True)
  _measure(None, [rate()])
  assert capsys.readouterr().out.count("do not trust these figures") == 2
  assert not list(tmp_path.iterdir())


def test_without_a_folder_nobody_waits_for_a_quiet_machine(machine, rate):
  machine.before = 0.43
  assert _measure(None, [rate()])["rows"] == [rate()]


def test_slower_is_said_and_recorded(machine, rate, tmp_path, capsys):
  _measure(tmp_path, [rate(100.0), rate(10.0, name="other")])
  _measure(tmp_path, [rate(90.0), rate(9.0, name="other")])
  line = "thing: 90 graphs/s, it was 100 and the spread is 3"
  assert f"slower than before: {line}\n" in capsys.readouterr().out
  (path,) = tmp_path.iterdir()
  assert json.loads(path.read_text())["slower"] == [line]


def test_another_device_has_its_own_record(machine, rate, tmp_path, capsys):
  _measure(tmp_path, [rate(100.0)])
  machine.device = "another"
  _measure(tmp_path, [rate(50.0)])
  names = sorted(path.stem for path in tmp_path.iterdir())
  assert names == ["data_cpu_a_machine_3", "data_cpu_another_3"]
  assert "slower" not in capsys.readouterr().out


def test_the_code_decides_its_name(tmp_path):
  for folder in ("gnn_readout/data", "launch", "configs", "benchmarks"):
    (tmp_path / folder).mkdir(parents=True)
  path = tmp_path / "gnn_readout" / "data" / "a.py"
  path.write_text("x = 1\n")
  first = recording.fingerprint_of_code(tmp_path)
  (tmp_path / "notes.md").write_text("nothing that runs")
  assert recording.fingerprint_of_code(tmp_path) == first
  path.write_text("x = 2\n")
  second = recording.fingerprint_of_code(tmp_path)
  path.rename(path.with_name("b.py"))
  third = recording.fingerprint_of_code(tmp_path)
  assert len({first, second, third}) == 3
  assert recording.fingerprint_of_code() == recording.fingerprint_of_code()


def test_the_environment_says_which_peers_there_are():
  found = recording.environment()
  assert {"jax", "python"} <= set(found["versions"])
  pytest.importorskip("torch", reason="the peers extra is missing")
  assert "torch" in found["versions"]
