"""What a record says of the code that made it, and of the machine."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess

import pytest

from gnn_readout import provenance


@pytest.fixture
def repository(tmp_path, monkeypatch):
  """A repository with one file of code, and a function that calls git there.

  It stands in for the one that this program is in, if it is in any.
  """

  def git(*arguments):
    identity = ("-c", "user.name=A", "-c", "user.email=a@b.c")
    return subprocess.run(
      ["git", *identity, *arguments],
      cwd=tmp_path,
      check=True,
      capture_output=True,
      text=True,
    ).stdout.strip()

  code = tmp_path / "gnn_readout"
  code.mkdir()
  (code / "provenance.py").write_text("x = 1\n")
  git("init", "--quiet")
  git("add", ".")
  git("commit", "--quiet", "--message=first")
  monkeypatch.setattr(provenance, "__file__", str(code / "provenance.py"))
  return tmp_path, git


def test_the_commit_and_whether_code_differs_from_it(repository):
  root, git = repository
  found = provenance.environment()
  assert found["git_commit"] == git("rev-parse", "HEAD")
  assert found["git_dirty"] is False
  (root / "notes.txt").write_text("no code")
  assert provenance.environment()["git_dirty"] is False
  (root / "gnn_readout" / "provenance.py").write_text("x = 2\n")
  assert provenance.environment()["git_dirty"] is True


def test_another_repository_around_the_code_is_not_its_own(repository):
  """As that of a project whose environment holds this package."""
  _, git = repository
  git("rm", "--quiet", "--cached", "gnn_readout/provenance.py")
  found = provenance.environment()
  assert found["git_commit"] is None
  assert found["git_dirty"] is None


def test_versions_and_hardware():
  found = provenance.environment()
  for name in ("jax", "numpy", "dm-haiku"):
    assert found["versions"][name] == importlib.metadata.version(name)
  assert found["hardware"]["cpu_count"] == os.cpu_count()
  assert found["hardware"]["memory_gb"] > 0.1
  assert found["hardware"]["device"]
