"""The cache of compiled programs: who may share it, and that it is used."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests import compilation_cache

_INTEL = "processor : 0\nmodel name : A 1\nflags : fpu avx\nMHz : 1.0\n\n"
_ARM = "processor : 0\nCPU part : 0xd0c\nFeatures : fp asimd\n\n"


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
  folders = []
  for cpuinfo in (one, other):
    monkeypatch.setattr(compilation_cache, "_cpuinfo", lambda: cpuinfo)
    folders.append(compilation_cache.folder())
  assert (folders[0] == folders[1]) == same


def test_another_jaxlib_has_a_folder_of_its_own(monkeypatch):
  here = compilation_cache.folder()
  monkeypatch.setattr("importlib.metadata.version", lambda name: "0.0.1")
  assert compilation_cache.folder() != here


def test_it_can_be_switched_off_or_be_elsewhere():
  off = {compilation_cache.SWITCH: "0"}
  compilation_cache.use(off)
  assert off == {compilation_cache.SWITCH: "0"}
  there = {"JAX_COMPILATION_CACHE_DIR": "there"}
  compilation_cache.use(there)
  assert there["JAX_COMPILATION_CACHE_DIR"] == "there"


_COMPILE = """
import jax
hits = []
jax.monitoring.register_event_listener(lambda name, **_: hits.append(name))
jax.jit(lambda x: 2 * x + 1)(jax.numpy.arange(7.0)).block_until_ready()
print(hits.count("/jax/compilation_cache/cache_hits") > 0)
"""


def test_a_second_process_compiles_nothing(tmp_path):
  environment = {
    **os.environ,
    "JAX_COMPILATION_CACHE_DIR": str(tmp_path),
    compilation_cache.SWITCH: "1",
  }
  compilation_cache.use(environment)
  said = [
    subprocess.run(
      [sys.executable, "-c", _COMPILE],
      env=environment,
      capture_output=True,
      text=True,
      check=True,
    ).stdout
    for _ in range(2)
  ]
  assert said == ["False\n", "True\n"]
