"""Doing the runs of a sweep: what is refused, and what is copied."""

from __future__ import annotations

import json

import pytest

from gnn_readout.runs import locks, settings
from gnn_readout.sweeps import pool, run_spec
from gnn_readout.sweeps.run_spec import State
from gnn_readout.sweeps.sweep import run_sweep
from tests.sweeps import fakes


def test_a_population_is_done_when_all_its_members_are(tmp_path):
  run, folder = fakes.run(population="seed=0,1"), tmp_path / "w" / "one"
  for seed in (0, 1):
    assert not run_spec.state(run, tmp_path / "w").is_done
    record = folder / "members" / f"seed={seed}" / "record.json"
    fakes.write(record, fakes.record(fakes.run(seed=seed)))
  for program, step in (("0", "30"), ("1", "7")):
    latest = folder / "programs" / program / "checkpoints" / "latest"
    (latest / step).mkdir(parents=True)
  assert run_spec.state(run, tmp_path / "w") == State(True, 37)
  records = (tmp_path / "records", "tiny")
  assert run_sweep([run], tmp_path / "w", pool.run_jobs, None, None, *records)
  assert sorted(path.name for path in records[0].iterdir()) == [
    "tiny_one_seed=0.json",
    "tiny_one_seed=1.json",
  ]
  other = fakes.run(population="seed=0,1", num_epochs=7.0)
  with pytest.raises(ValueError, match="seed=0/record.json is of another conf"):
    run_spec.state(other, tmp_path / "w")


@pytest.mark.parametrize("file", ["record.json", "config.json"])
def test_another_config_is_refused_before_anything_starts(tmp_path, file):
  other = fakes.run(seed=7, num_epochs=3.0)
  text = fakes.record(other)
  if file == "config.json":
    text = json.dumps(settings.as_json(other.config))
  fakes.write(tmp_path / "one" / file, text)
  message = (
    f"{file} is of another config; num_epochs: here 100.0, there 3.0; seed:"
    " here 0, there 7"
  )
  with pytest.raises(ValueError, match=message):
    run_spec.state(fakes.run(), tmp_path)
  new = fakes.run()._replace(name="new")
  with pytest.raises(ValueError, match=message):
    run_sweep([new, fakes.run()], tmp_path)
  assert not (tmp_path / "new").exists()


def test_one_sweep_in_a_folder(tmp_path):
  lock = locks.try_lock(tmp_path)
  locks.sign(lock, 123)
  message = f"^{tmp_path} is in use by process 123 on .*; wait for its end"
  with pytest.raises(ValueError, match=message):
    run_sweep([fakes.run()], tmp_path)
  assert not (tmp_path / "one").exists()


def test_a_folder_that_cannot_be_written(tmp_path):
  (tmp_path / "file").touch()
  with pytest.raises(OSError, match=r"cannot write to .*file/sweep"):
    run_sweep([fakes.run()], tmp_path / "file" / "sweep")


def test_a_missing_dataset_is_found_out_before_anything_starts(tmp_path):
  with pytest.raises(FileNotFoundError, match=r"none\.csv: no such file"):
    run_sweep([fakes.run(dataset="none.csv")], tmp_path)
  assert not (tmp_path / "one").exists()


def test_records_are_copied_under_a_name_of_their_own(tmp_path, capsys):
  run, target = fakes.run(), tmp_path / "records" / "tiny_one.json"
  records = (tmp_path / "records", "tiny")
  source = fakes.write(
    tmp_path / "w" / "one" / "record.json", fakes.record(run)
  )
  for _ in range(2):
    assert run_sweep([run], tmp_path / "w", pool.run_jobs, None, None, *records)
    copy = json.loads(target.read_text())
    assert copy.pop("name") == "tiny_one"
    assert copy.items() <= json.loads(source.read_text()).items()
  assert "1 done, 0 to go on, 0 new" in capsys.readouterr().out
  text = fakes.record(fakes.run(seed=1))
  target.write_text(text)
  with pytest.raises(ValueError, match="seed: here 0, there 1"):
    run_sweep([run], tmp_path / "w", pool.run_jobs, None, None, *records)
  assert target.read_text() == text
