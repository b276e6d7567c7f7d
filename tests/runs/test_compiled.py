"""What was compiled once: who may share it, and that no run ends by it."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

from gnn_readout.runs import compiled

ROOT = pathlib.Path(__file__).parents[2]
_INTEL = "processor : 0\nmodel name : A 1\nflags : fpu avx\nMHz : 1.0\n\n"
_ARM = "processor : 0\nCPU part : 0xd0c\nFeatures : fp asimd\n\n"
_FOLDER = "JAX_COMPILATION_CACHE_DIR"
_SECONDS = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"


@pytest.mark.parametrize(
  ("one", "other", "same"),
  [
    (_INTEL, _INTEL.replace("1.0", "2.0"), True),  # Its clock goes up and down.
    (_INTEL, _INTEL + "processor : 1\nmodel name : A 1\n", True),
    (_INTEL, _INTEL.replace("A 1", "A 2"), False),
    (_INTEL, _INTEL.replace("avx", "avx avx512f"), False),
    (_ARM, _ARM.replace("asimd", "asimd sve"), False),
    (_ARM, _ARM.replace("d0c", "d40"), False),
  ],
)
def test_another_processor_has_a_folder_of_its_own(
  monkeypatch, one, other, same
):
  names = []
  for cpuinfo in (one, other):
    monkeypatch.setattr(compiled, "_cpuinfo", lambda: cpuinfo)
    names.append(compiled.here())
  assert (names[0] == names[1]) == same


def test_another_jaxlib_has_a_folder_of_its_own(monkeypatch):
  here = compiled.here()
  monkeypatch.setattr("importlib.metadata.version", lambda name: "0.0.1")
  assert compiled.here() != here


@pytest.fixture
def untold(monkeypatch):
  """Takes the tests' own cache away, and puts back what is set."""
  for name in (_FOLDER, _SECONDS):
    monkeypatch.setenv(name, "")
    monkeypatch.delenv(name)
  monkeypatch.delitem(sys.modules, "jax")  # Which is not to be told either.
  monkeypatch.setattr("warnings.showwarning", None)


def test_it_is_in_the_cache(untold, tmp_path):
  compiled.keep(tmp_path)
  folder = tmp_path / "compiled" / compiled.here()
  assert os.environ[_FOLDER] == str(folder)
  assert folder.is_dir() and folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("blocked", ["file", "foreign", "public"])
def test_a_folder_that_will_not_do_is_left_alone(
  untold, tmp_path, monkeypatch, blocked
):
  folder = tmp_path / "compiled" / compiled.here()
  if blocked == "file":
    (tmp_path / "compiled").write_text("")
  else:
    folder.mkdir(parents=True)
  if blocked == "public":
    folder.chmod(0o777)
  if blocked == "foreign":
    monkeypatch.setattr(os, "getuid", lambda: 12345)
  compiled.keep(tmp_path)
  assert _FOLDER not in os.environ and _SECONDS not in os.environ


def test_what_jax_was_told_stays(untold, tmp_path, monkeypatch):
  monkeypatch.setenv(_FOLDER, "there")
  compiled.keep(tmp_path)
  assert os.environ[_FOLDER] == "there"
  assert list(tmp_path.iterdir()) == []


def test_what_was_kept_first_goes_first(untold, tmp_path, monkeypatch):
  monkeypatch.setattr(compiled, "_LIMIT", 25)
  folders = [tmp_path / "compiled" / name for name in ("old", "new")]
  for i in range(6):
    path = folders[i // 3] / f"jit_f-{i}-cache"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(10))
    os.utime(path, (i, i))
  compiled.keep(tmp_path)
  left = sorted(path.name for path in tmp_path.glob("*/*/*-cache"))
  assert left == ["jit_f-4-cache", "jit_f-5-cache"]


_COMPILE = """
import resource, sys
from gnn_readout.runs import compiled
if "early" in sys.argv: import jax
if "full" in sys.argv:
  resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
compiled.keep(sys.argv[1])
import jax
hits = []
jax.monitoring.register_event_listener(lambda name, **_: hits.append(name))
def compiled_once(x): return 2 * x + 1
print(jax.jit(compiled_once)(jax.numpy.arange(3.0)).sum())
print(hits.count("/jax/compilation_cache/cache_hits") > 0)
"""


def _start(folder, *words):
  environment = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("JAX_", "XLA_"))
  }
  return subprocess.Popen(
    [sys.executable, "-c", _COMPILE, str(folder), *words],
    env={**environment, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)},
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )


def _said(process):
  said, wrong = process.communicate(timeout=600)
  assert process.returncode == 0 and not wrong, wrong
  number, was_kept = said.splitlines()
  assert number == "9.0"
  return was_kept == "True"


def test_it_is_shared_and_heals(tmp_path):
  first = [_start(tmp_path), _start(tmp_path, "early")]
  for process in first:
    _said(process)
  kept = [*tmp_path.glob("compiled/*/*-cache")]
  (mine,) = (path for path in kept if "compiled_once" in path.name)
  whole = mine.read_bytes()
  for path in kept:
    path.write_bytes(path.read_bytes()[:20])
  assert not _said(_start(tmp_path))
  assert len(mine.read_bytes()) > len(whole) // 2
  assert _said(_start(tmp_path))


def test_a_full_disk_ends_nothing(tmp_path):
  assert not _said(_start(tmp_path, "full"))
  assert not [*tmp_path.glob("compiled/*/*-cache")]
