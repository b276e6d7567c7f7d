"""The runs of a sweep: what they are called and how far they are."""

from __future__ import annotations

import json
import re

import pytest

from configs import molpcba
from gnn_readout.runs import settings
from gnn_readout.sweeps import run_spec
from gnn_readout.sweeps.run_spec import RunSpec, State
from tests.sweeps import fakes


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
  assert run_spec.run_name(variant, fields, config) == name


def test_any_name_can_name_a_folder_and_stays_apart():
  texts = ["../x", "a/b", "a_b", "a b", "..", ".lock", "é" * 300, "é" * 301]
  names = [run_spec.run_name(text, (), molpcba.get_config()) for text in texts]
  assert len(set(names)) == len(texts)
  for name in names:
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._,=+-]{0,199}", name)
    assert not name.startswith(".")


def test_how_far_a_run_is(tmp_path):
  run, folder = fakes.run(), tmp_path / "one"
  assert str(run_spec.state(run, tmp_path)) == "new"
  fakes.write(folder / "config.json", json.dumps(settings.as_json(run.config)))
  assert run_spec.state(run, tmp_path) == State(False, 0)
  for name in ("400", "1200", "1600.orbax-checkpoint-tmp-7"):
    (folder / "checkpoints" / "latest" / name).mkdir(parents=True)
  assert str(run_spec.state(run, tmp_path)) == "from step 1,200"
  fakes.write(
    folder / "record.json", fakes.record(fakes.run(note="other", log_every=3))
  )
  assert str(run_spec.state(run, tmp_path)) == "done"


def test_a_value_measured_on_the_data_makes_no_other_config(tmp_path):
  measured = molpcba.get_config("gcn,pna")
  with measured.unlocked():
    measured.model.readout.delta = 2.5
  done = RunSpec("one", [], measured)
  fakes.write(tmp_path / "one" / "record.json", fakes.record(done))
  wanted = RunSpec("one", [], molpcba.get_config("gcn,pna"))
  assert run_spec.state(wanted, tmp_path).is_done


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("{", "record.json is damaged"),
    (fakes.record(fakes.run(), test=None)[:-15] + "}", "is damaged"),
    (
      fakes.record(fakes.run(), config_hash="0"),
      "config_hash is not that of its config",
    ),
    (fakes.record(fakes.run(), config=3), "record.json is damaged"),
  ],
)
def test_a_damaged_record_is_named(tmp_path, text, message):
  fakes.write(tmp_path / "one" / "record.json", text)
  with pytest.raises(ValueError, match=message):
    run_spec.state(fakes.run(), tmp_path)
