"""Checkpoints survive a full disk and a kill; those that differ are refused."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import random
import re
import resource
import signal
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout.data.store import Schema
from gnn_readout.errors import Damaged
from gnn_readout.runs import checkpoints

ROOT = pathlib.Path(__file__).parents[2]
SCHEMA = Schema(
  name="tiny",
  task_type="binary",
  num_tasks=3,
  num_classes=0,
  metric="ap",
  node_sizes=(7, 5),
  edge_sizes=(3,),
  node_dim=2,
  edge_dim=1,
  task_names=("a", "b", "c"),
)
META = {"schema": SCHEMA.to_json(), "curve": [[1, 0.1], [2, float("nan")]]}


def _state(value, size=101):
  return {
    "layer/~/w": jnp.full((size, 7), value, jnp.float32),
    "count": jnp.asarray(value, jnp.int32),
  }


def _assert_holds(workdir, step):
  """Asserts that the checkpoint is whole: everything in it says `step`."""
  saved = checkpoints.restore(workdir, "latest", _state(0), SCHEMA)
  assert saved.step == step
  for leaf in jax.tree.leaves(saved.state):
    assert isinstance(leaf, np.ndarray)
    np.testing.assert_array_equal(leaf, step)


def test_round_trip_keeps_only_the_newest(tmp_path):
  assert checkpoints.latest_step(tmp_path) is None
  for step in (3, 5):
    checkpoints.save(tmp_path, "latest", step, _state(step), META)
  checkpoints.save(tmp_path, "best", 3, _state(3), META)
  _assert_holds(tmp_path, 5)
  assert checkpoints.latest_step(tmp_path) == 5
  assert checkpoints.latest_step(tmp_path, "best") == 3
  folder = tmp_path / "checkpoints" / "latest"
  assert [path.name for path in folder.iterdir()] == ["5"]
  saved = checkpoints.restore(tmp_path, "latest", _state(0), SCHEMA)
  assert saved.meta["curve"][0] == [1, 0.1]


def test_the_same_step_again_is_left_alone(tmp_path):
  checkpoints.save(tmp_path, "latest", 5, _state(5), META)
  checkpoints.save(tmp_path, "latest", 5, _state(6), META)
  _assert_holds(tmp_path, 5)


def test_no_checkpoint_and_unknown_name(tmp_path):
  with pytest.raises(FileNotFoundError, match="no checkpoint 'best'"):
    checkpoints.restore(tmp_path, "best", _state(0), SCHEMA)
  with pytest.raises(ValueError, match="Did you mean 'latest'"):
    checkpoints.restore(tmp_path, "lates", _state(0), SCHEMA)


@pytest.fixture
def full_disk():
  """Makes every file stop growing at 20 kB, as a full disk would."""
  soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
  handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
  resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
  yield
  resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
  signal.signal(signal.SIGXFSZ, handler)


def _noise(size=10_007):
  rng = np.random.default_rng(0)  # Noise, for zeros would be compressed.
  return {**_state(9), "layer/~/w": rng.normal(size=(size, 7))}


def test_a_full_disk_leaves_the_previous_checkpoint(tmp_path, request):
  checkpoints.save(tmp_path, "latest", 5, _state(5), META)
  request.getfixturevalue("full_disk")
  with pytest.raises(OSError, match="cannot write the checkpoint of step 9"):
    checkpoints.save(tmp_path, "latest", 9, _noise(), META)
  _assert_holds(tmp_path, 5)
  # Nothing half-written takes up the disk that is full.
  folder = tmp_path / "checkpoints" / "latest"
  assert [path.name for path in folder.iterdir()] == ["5"]


def test_an_error_while_writing_leaves_the_previous_one(tmp_path, monkeypatch):
  checkpoints.save(tmp_path, "latest", 5, _state(5), META)

  def fail(*unused, **unused_too):
    raise OSError(28, "No space left on device")

  with monkeypatch.context() as patch:
    patch.setattr(os, "rename", fail)
    patch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space left on device"):
      checkpoints.save(tmp_path, "latest", 9, _state(9), META)
  _assert_holds(tmp_path, 5)
  checkpoints.save(tmp_path, "latest", 9, _state(9), META)
  _assert_holds(tmp_path, 9)


# Dies when it is about to touch the disk for the so many-th time.
_SAVE_AND_DIE = """
import itertools, os, signal, sys
import numpy as np
from gnn_readout.runs import checkpoints
def save(step):
  state = {"layer/~/w": np.full((101, 7), step, np.float32)}
  state["count"] = np.asarray(step, np.int32)
  checkpoints.save(sys.argv[1], "latest", step, state, META)
  print(step, flush=True)
save(1)
left = int(sys.argv[2])
def count(event, arguments):
  global left
  if event in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"):
    left -= 1
    if left == 0:
      os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(count)
for step in itertools.count(2):
  save(step)
"""


def test_sigkill_at_any_moment_leaves_a_whole_checkpoint(tmp_path):
  script = _SAVE_AND_DIE.replace("META", repr(META).replace("nan", "0.0"))
  rng = random.Random(11)
  for attempt in range(3):
    workdir = tmp_path / str(attempt)
    # A save touches it about fifty times.
    done = subprocess.run(
      [sys.executable, "-c", script, workdir, str(rng.randint(1, 100))],
      cwd=ROOT,
      capture_output=True,
      text=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    step = checkpoints.latest_step(workdir)
    # The one it spoke of last, or the next one, just finished.
    assert 0 <= step - int(done.stdout.split()[-1]) <= 1
    _assert_holds(workdir, step)
    # What the kill left half-written is no obstacle.
    checkpoints.save(workdir, "latest", step + 1, _state(step + 1), META)
    _assert_holds(workdir, step + 1)


def test_a_truncated_file_is_named(tmp_path):
  checkpoints.save(tmp_path, "latest", 5, _noise(), META)
  for path in (tmp_path / "checkpoints").rglob("*"):
    if path.is_file() and path.stat().st_size > 100_000:
      os.truncate(path, 1000)
  with pytest.raises(ValueError, match="latest/5 is damaged"):
    checkpoints.restore(tmp_path, "latest", _noise(), SCHEMA)


def test_a_flipped_bit_is_found(tmp_path):
  checkpoints.save(tmp_path, "latest", 5, _noise(), META)
  files = (tmp_path / "checkpoints").rglob("*")
  path = max(files, key=lambda path: path.is_file() and path.stat().st_size)
  data = bytearray(path.read_bytes())
  data[len(data) // 2] ^= 1
  path.write_bytes(data)
  with pytest.raises(ValueError, match="latest/5 is damaged"):
    checkpoints.restore(tmp_path, "latest", _noise(), SCHEMA)


def _flip(path):
  """Flips one bit in the middle of a file, or makes an empty one longer."""
  data = bytearray(path.read_bytes() or b"\0")
  data[len(data) // 2] ^= 1
  path.write_bytes(data)


def test_a_flipped_bit_in_any_file_is_found(tmp_path):
  checkpoints.save(tmp_path, "latest", 5, _state(5), META)
  assert checkpoints.damage(tmp_path, "latest") == ""
  folder = tmp_path / "checkpoints" / "latest" / "5"
  files = [path for path in folder.rglob("*") if path.is_file()]
  assert len(files) > 5
  for path in files:
    whole = path.read_bytes()
    _flip(path)
    name = re.escape(str(path.relative_to(folder)))
    with pytest.raises(Damaged, match=f"latest/5 is damaged: the file {name} "):
      checkpoints.restore(tmp_path, "latest", _state(0), SCHEMA)
    path.unlink()
    assert checkpoints.damage(tmp_path) == (
      f"the file {path.relative_to(folder)} is missing"
    )
    path.write_bytes(whole)
  _assert_holds(tmp_path, 5)


def test_without_checksums_of_files_the_arrays_are_checked(tmp_path):
  checkpoints.save(tmp_path, "latest", 5, _noise(), META)
  sums = tmp_path / "checkpoints" / "latest.json"
  whole = sums.read_bytes()
  for change in (_flip, lambda path: path.unlink()):
    change(sums)  # As if it were the only thing that is damaged.
    checkpoints.restore(tmp_path, "latest", _noise(), SCHEMA)
  files = (tmp_path / "checkpoints").rglob("*")
  _flip(max(files, key=lambda path: path.is_file() and path.stat().st_size))
  with pytest.raises(Damaged, match="latest/5 is damaged"):
    checkpoints.restore(tmp_path, "latest", _noise(), SCHEMA)
  sums.write_bytes(whole)
  checkpoints.remove(tmp_path, "latest")
  assert checkpoints.latest_step(tmp_path) is None
  checkpoints.save(tmp_path, "latest", 3, _state(3), META)
  _assert_holds(tmp_path, 3)


def test_other_feature_tables_are_named_with_their_sizes(tmp_path):
  old = dataclasses.replace(SCHEMA, node_sizes=(119, 4, 50), node_dim=3)
  new = dataclasses.replace(SCHEMA, node_sizes=(119, 5, 50), node_dim=3)
  meta = {**META, "schema": old.to_json()}
  checkpoints.save(tmp_path, "latest", 5, _state(5), meta)
  message = (
    "node feature tables: 173 rows in all there, 174 here"
    r" \(column 1 has 4 rows there and 5 here\)"
  )
  with pytest.raises(ValueError, match=message):
    checkpoints.restore(tmp_path, "latest", _state(0), new)
  fewer = dataclasses.replace(SCHEMA, node_sizes=(119, 4), node_dim=2)
  with pytest.raises(ValueError, match="3 columns there, 2 here"):
    checkpoints.restore(tmp_path, "latest", _state(0), fewer)


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"edge_sizes": (5,)}, "edge feature tables: 3 rows in all there, 5 here"),
    ({"edge_dim": 2}, "edge_dim is 1 there and 2 here"),
    (
      {"task_type": "regression", "metric": "rmse"},
      "task_type is 'binary' there",
    ),
    ({"num_tasks": 2, "task_names": ("a", "b")}, "num_tasks is 3 there"),
  ],
)
def test_another_dataset_is_refused(tmp_path, change, message):
  checkpoints.save(tmp_path, "latest", 5, _state(5), META)
  here = dataclasses.replace(SCHEMA, **change)
  with pytest.raises(ValueError, match=message):
    checkpoints.restore(tmp_path, "latest", _state(0), here)


@pytest.mark.parametrize(
  ("like", "message"),
  [
    (_state(0, size=103), r"\['layer/~/w'\] has shape \(101, 7\) there"),
    ({"layer/~/w": jnp.zeros((101, 7))}, "belongs to another model"),
    ({**_state(0), "more": jnp.zeros(3)}, "belongs to another model"),
  ],
)
def test_another_model_is_refused(tmp_path, like, message):
  checkpoints.save(tmp_path, "latest", 5, _state(5), META)
  with pytest.raises(ValueError, match=message) as error:
    checkpoints.restore(tmp_path, "latest", like, SCHEMA)
  assert len(str(error.value)) < 1000


_SAVE_FROM_TWO_DEVICES = """
import sys
import jax, jax.numpy as jnp
from gnn_readout.runs import checkpoints
mesh = jax.make_mesh((2,), ("data",))
assert mesh.size == 2
split = jax.NamedSharding(mesh, jax.P(None, "data"))
state = {"layer/~/w": jax.device_put(jnp.full((101, 8), 5.0), split)}
state["count"] = jax.device_put(jnp.int32(5), jax.NamedSharding(mesh, jax.P()))
checkpoints.save(sys.argv[1], "latest", 5, state, META)
"""


def test_written_on_two_devices_and_read_on_one(tmp_path):
  meta = repr(META).replace("nan", "0.0")
  subprocess.run(
    [
      sys.executable,
      "-c",
      _SAVE_FROM_TWO_DEVICES.replace("META", meta),
      tmp_path,
    ],
    cwd=ROOT,
    env={
      **os.environ,
      "JAX_PLATFORMS": "cpu",
      "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    },
    check=True,
  )
  like = {**_state(0), "layer/~/w": jnp.zeros((101, 8))}
  saved = checkpoints.restore(tmp_path, "latest", like, SCHEMA)
  np.testing.assert_array_equal(saved.state["layer/~/w"], np.full((101, 8), 5))
