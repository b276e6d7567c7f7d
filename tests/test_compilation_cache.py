"""The cache of compiled programs that the tests share."""

from __future__ import annotations

import os

from tests import compilation_cache


def test_it_can_be_switched_off_or_be_elsewhere():
  off = {compilation_cache.SWITCH: "0"}
  compilation_cache.use(off)
  assert off == {compilation_cache.SWITCH: "0"}
  there = {"JAX_COMPILATION_CACHE_DIR": "there"}
  compilation_cache.use(there)
  assert there["JAX_COMPILATION_CACHE_DIR"] == "there"


def test_it_is_in_use():
  if os.environ.get(compilation_cache.SWITCH) != "0":
    assert os.environ["JAX_COMPILATION_CACHE_DIR"]
  used = {}
  compilation_cache.use(used)
  assert str(compilation_cache.ROOT) in used["JAX_COMPILATION_CACHE_DIR"]
