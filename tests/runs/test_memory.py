"""Tests of how a process gets its memory."""

import os
import sys

import pytest

from gnn_readout import programs
from gnn_readout.runs import memory

_TUNABLES = "GLIBC_TUNABLES"
_LINE = ["python", "-m", "launch.train", "--workdir=out"]


@pytest.fixture
def started(monkeypatch, tmp_path):
  """Returns what was started, with the environment that it got."""
  found = []
  mode = tmp_path / "enabled"
  mode.write_text("always [madvise] never\n")
  monkeypatch.setattr(memory, "_HUGE_PAGES", mode)
  monkeypatch.setattr(os, "confstr", lambda name: "glibc 2.36", raising=False)
  monkeypatch.setattr(
    os,
    "execv",
    lambda path, words: found.append((path, words, os.environ[_TUNABLES])),
  )
  monkeypatch.setattr(sys, "orig_argv", _LINE)
  monkeypatch.setattr(sys, "gettrace", lambda: None)
  monkeypatch.setenv(_TUNABLES, "")  # So that it is as before afterwards.
  return found


def test_a_program_starts_again_once_with_huge_pages(started):
  memory.ask_for_huge_pages()
  memory.ask_for_huge_pages()
  words = [sys.executable, "-m", "launch.train", "--workdir=out"]
  assert started == [(sys.executable, words, "glibc.malloc.hugetlb=1")]


def test_what_else_the_environment_says_stays(started, monkeypatch):
  monkeypatch.setenv(_TUNABLES, "glibc.malloc.check=0")
  memory.ask_for_huge_pages()
  assert started[0][2] == "glibc.malloc.check=0:glibc.malloc.hugetlb=1"


@pytest.mark.parametrize("mode", ["[always] madvise never", "[never]", None])
def test_nothing_starts_where_asking_changes_nothing(started, mode):
  if mode is None:
    memory._HUGE_PAGES.unlink()
  else:
    memory._HUGE_PAGES.write_text(mode)
  memory.ask_for_huge_pages()
  assert not started


def test_a_choice_of_the_user_stays(started, monkeypatch):
  monkeypatch.setenv(_TUNABLES, "glibc.malloc.hugetlb=0")
  memory.ask_for_huge_pages()
  assert not started


def test_a_program_under_a_debugger_stays(started, monkeypatch):
  monkeypatch.setattr(sys, "gettrace", lambda: print)
  memory.ask_for_huge_pages()
  assert not started


@pytest.mark.parametrize(
  ("words", "is_ours"),
  [
    (_LINE, True),
    (["python", "-m", "gnn_readout", "train"], True),
    (["python", "/bin/gnn-readout", "train"], True),
    (["python", "-m", "pytest", "tests"], False),
    (["python", "-m", "launcher"], False),
    (["python", "train.py"], False),
    (["python", "-c", "import launch.train"], False),
    (["python"], False),
  ],
)
def test_which_processes_are_programs(monkeypatch, words, is_ours):
  monkeypatch.setattr(sys, "orig_argv", words)
  assert programs.is_command_line() == is_ours
