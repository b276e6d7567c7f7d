"""The runs of a sweep: what they are called and how far they are."""

from __future__ import annotations

import json
import re

import pytest

from configs import molpcba
from gnn_readout.runs import locks, settings
from gnn_readout.sweeps import sweep as sweeps


def _run(**fields):
  config = molpcba.get_config("gcn,sum").unlock()
  config.population = ""
  config.update_from_flattened_dict(fields)
  return sweeps.Run("one", ["--config=configs/molpcba.py:gcn,sum"], config)


def _record(run, **changes):
  config = settings.as_json(run.config)
  facts = {"schema_version": 1, "name": "one", "config": config}
  facts |= {"config_hash": settings.config_hash(config), "test": {"value": 1}}
  return json.dumps(facts | changes)


def _write(path, text):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(text)
  return path


@pytest.mark.parametrize(
  ("variant", "fields", "name"),
  [
    ("gcn,sum", {}, "gcn,sum"),
    ("", {"seed": 3}, "default-seed=3"),
    (
      "gcn,sum",
      {"optimizer.learning_rate": 0.001},
      "gcn,sum-learning_rate=0.001",
    ),
    ("gcn,sum", {"note": "short", "log_every": 1}, "gcn,sum"),
    # The shortest end that no other field of the config has.
    (
      "gcn,equilibrium",
      {"num_steps": 7, "model.readout.num_steps": 5},
      "gcn,equilibrium-num_steps=7-readout.num_steps=5",
    ),
    (
      "gcn,sum",
      {"model.message_passing.name": "gin"},
      "gcn,sum-message_passing.name=gin",
    ),
  ],
)
def test_names(variant, fields, name):
  config = molpcba.get_config(variant or "gcn,sum")
  config.update_from_flattened_dict(fields)
  assert sweeps.run_name(variant, fields, config) == name


def test_any_name_can_name_a_folder_and_stays_apart():
  texts = ["../x", "a/b", "a_b", "a b", "..", ".lock", "é" * 300, "é" * 301]
  names = [sweeps.run_name(text, (), molpcba.get_config()) for text in texts]
  assert len(set(names)) == len(texts)
  for name in names:
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._,=+-]{0,199}", name)
    assert not name.startswith(".")


def test_how_far_a_run_is(tmp_path):
  run, folder = _run(), tmp_path / "one"
  assert str(sweeps.state(run, tmp_path)) == "new"
  _write(folder / "config.json", json.dumps(settings.as_json(run.config)))
  assert sweeps.state(run, tmp_path) == sweeps.State(False, 0)
  for name in ("400", "1200", "1600.orbax-checkpoint-tmp-7"):
    (folder / "checkpoints" / "latest" / name).mkdir(parents=True)
  assert str(sweeps.state(run, tmp_path)) == "from step 1,200"
  _write(folder / "record.json", _record(_run(note="other", log_every=3)))
  assert str(sweeps.state(run, tmp_path)) == "done"


def test_a_value_measured_on_the_data_makes_no_other_config(tmp_path):
  measured = molpcba.get_config("gcn,pna")
  measured.model.readout.delta = 2.5
  done = sweeps.Run("one", [], measured)
  _write(tmp_path / "one" / "record.json", _record(done))
  wanted = sweeps.Run("one", [], molpcba.get_config("gcn,pna"))
  assert sweeps.state(wanted, tmp_path).is_done


def test_a_population_is_done_when_all_its_members_are(tmp_path):
  run, folder = _run(population="seed=0,1"), tmp_path / "w" / "one"
  for seed in (0, 1):
    assert not sweeps.state(run, tmp_path / "w").is_done
    record = folder / "members" / f"seed={seed}" / "record.json"
    _write(record, _record(_run(seed=seed)))
  for program, step in (("0", "30"), ("1", "7")):
    latest = folder / "programs" / program / "checkpoints" / "latest"
    (latest / step).mkdir(parents=True)
  assert sweeps.state(run, tmp_path / "w") == sweeps.State(True, 37)
  records = (tmp_path / "records", "tiny")
  assert sweeps.run_sweep([run], tmp_path / "w", 1, None, None, *records)
  assert sorted(path.name for path in records[0].iterdir()) == [
    "tiny_one_seed=0.json",
    "tiny_one_seed=1.json",
  ]
  other = _run(population="seed=0,1", num_epochs=7.0)
  with pytest.raises(ValueError, match="seed=0/record.json is of another conf"):
    sweeps.state(other, tmp_path / "w")


@pytest.mark.parametrize("file", ["record.json", "config.json"])
def test_another_config_is_refused_before_anything_starts(tmp_path, file):
  other = _run(seed=7, num_epochs=3.0)
  text = _record(other)
  if file == "config.json":
    text = json.dumps(settings.as_json(other.config))
  _write(tmp_path / "one" / file, text)
  message = (
    f"{file} is of another config; num_epochs: here 100.0, there 3.0; seed:"
    " here 0, there 7"
  )
  with pytest.raises(ValueError, match=message):
    sweeps.state(_run(), tmp_path)
  new = _run()._replace(name="new")
  with pytest.raises(ValueError, match=message):
    sweeps.run_sweep([new, _run()], tmp_path)
  assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("{", "record.json is damaged"),
    (_record(_run(), test=None)[:-15] + "}", "is damaged"),
    (_record(_run(), config_hash="0"), "config_hash is not that of its config"),
    (_record(_run(), config=3), "record.json is damaged"),
  ],
)
def test_a_damaged_record_is_named(tmp_path, text, message):
  _write(tmp_path / "one" / "record.json", text)
  with pytest.raises(ValueError, match=message):
    sweeps.state(_run(), tmp_path)


def test_one_sweep_in_a_folder(tmp_path):
  lock = locks.try_lock(tmp_path)
  locks.sign(lock, 123)
  with pytest.raises(ValueError, match=f"^process 123 runs a .* {tmp_path};"):
    sweeps.run_sweep([_run()], tmp_path)
  assert not (tmp_path / "one").exists()


def test_a_folder_that_cannot_be_written(tmp_path):
  (tmp_path / "file").touch()
  with pytest.raises(OSError, match=r"cannot write to .*file/sweep"):
    sweeps.run_sweep([_run()], tmp_path / "file" / "sweep")


def test_a_missing_dataset_is_found_out_before_anything_starts(tmp_path):
  with pytest.raises(FileNotFoundError, match=r"none\.csv: no such file"):
    sweeps.run_sweep([_run(dataset="none.csv")], tmp_path)
  assert not (tmp_path / "one").exists()


def test_records_are_copied_under_a_name_of_their_own(tmp_path, capsys):
  run, target = _run(), tmp_path / "records" / "tiny_one.json"
  records = (tmp_path / "records", "tiny")
  source = _write(tmp_path / "w" / "one" / "record.json", _record(run))
  for _ in range(2):
    assert sweeps.run_sweep([run], tmp_path / "w", 1, None, None, *records)
    copy = json.loads(target.read_text())
    assert copy.pop("name") == "tiny_one"
    assert copy.items() <= json.loads(source.read_text()).items()
  assert "1 done, 0 to go on, 0 new" in capsys.readouterr().out
  text = _record(_run(seed=1))
  target.write_text(text)
  with pytest.raises(ValueError, match="seed: here 0, there 1"):
    sweeps.run_sweep([run], tmp_path / "w", 1, None, None, *records)
  assert target.read_text() == text
