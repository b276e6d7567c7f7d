"""Doing the runs of a sweep: what is refused, and what is copied."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gnn_readout import data
from gnn_readout.data import identity
from gnn_readout.runs import checkpoints, locks, settings
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
  with pytest.raises(
    ValueError, match="seed=0/record.json is the record of a run"
  ):
    run_spec.state(other, tmp_path / "w")


def test_a_run_that_is_to_be_longer_is_not_done(tmp_path):
  run = fakes.run(num_epochs=3.0)
  fakes.write(tmp_path / "one" / "record.json", fakes.record(run))
  text = json.dumps(settings.as_json(run.config))
  fakes.write(tmp_path / "one" / "config.json", text)
  (tmp_path / "one" / "checkpoints" / "latest" / "30").mkdir(parents=True)
  assert run_spec.state(run, tmp_path) == State(True, 30)
  longer = fakes.run(num_epochs=4.0)
  assert run_spec.state(longer, tmp_path) == State(False, 30)
  cosine = {"optimizer.schedule": "cosine"}
  with pytest.raises(ValueError, match="num_epochs=3.0, not 4.0"):
    run_spec.state(fakes.run(num_epochs=4.0, **cosine), tmp_path)


@pytest.mark.parametrize("file", ["record.json", "config.json"])
def test_another_config_is_refused_before_anything_starts(tmp_path, file):
  other = fakes.run(seed=7, num_epochs=3.0)
  text = fakes.record(other)
  if file == "config.json":
    text = json.dumps(settings.as_json(other.config))
  fakes.write(tmp_path / "one" / file, text)
  message = (
    f"{file} is the record of a run with num_epochs=3.0, not 100.0; seed=7,"
    " not 0"
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
  message = f"^{tmp_path} is in use by process 123 on .*; wait until it ends"
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
  assert "1 done, 0 to resume, 0 new" in capsys.readouterr().out
  text = fakes.record(fakes.run(seed=1))
  target.write_text(text)
  with pytest.raises(ValueError, match="seed=1, not 0"):
    run_sweep([run], tmp_path / "w", pool.run_jobs, None, None, *records)
  assert target.read_text() == text


def test_runs_of_other_data_are_not_joined(tmp_path, make_store, monkeypatch):
  store = make_store()
  monkeypatch.setattr(data, "load_config", lambda *unused: store)
  facts = identity.facts(store)
  run, records = fakes.run(), tmp_path / "records"
  copy = records / "tiny_one.json"
  where = tmp_path / "w", pool.run_jobs, None, None
  arguments = [run], *where, records, "tiny"
  source = tmp_path / "w" / "one" / "record.json"
  fakes.write(source, fakes.record(run, dataset=facts))
  assert run_sweep(*arguments)
  assert json.loads(copy.read_text())["dataset"] == facts
  store.labels[:, 0] = 1
  message = (
    "was made with data that differ from those of 'tiny' now: some labels diff"
  )
  with pytest.raises(ValueError, match=f"w/one/record.json {message}"):
    run_sweep(*arguments)
  # A copy of what was done on other data is not written over.
  fakes.write(source, fakes.record(run, dataset=identity.facts(store)))
  with pytest.raises(ValueError, match=f"tiny_one.json {message}"):
    run_sweep(*arguments)
  assert json.loads(copy.read_text())["dataset"] == facts


def test_a_run_that_has_begun_on_other_data(tmp_path, make_store, monkeypatch):
  store = make_store()
  monkeypatch.setattr(data, "load_config", lambda *unused: store)
  meta = {"datasets": [identity.facts(store)]}
  folder = tmp_path / "one"
  checkpoints.save(folder, "latest", 7, {"x": np.zeros(2)}, meta)
  run = fakes.run()
  assert run_spec.datasets(folder) == meta["datasets"]
  store.splits["train"] = store.splits["train"][:-1]
  with pytest.raises(
    ValueError, match="the checkpoint in .*one was .*: train: 53 .*, 52 here"
  ):
    run_sweep([run], tmp_path)
  assert not (folder / "log.txt").exists()
