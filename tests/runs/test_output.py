"""Output that never ends a run."""

from __future__ import annotations

import os
import subprocess
import sys

from rich.console import Console

from gnn_readout.runs import output


def test_a_run_outlives_the_reader_of_its_lines(monkeypatch):
  reader, writer = os.pipe()
  with open(writer, "w", buffering=1) as stream:
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", None)
    output.outlive_the_reader()
    print("first")
    assert os.read(reader, 100) == b"first\n"
    os.close(reader)
    for _ in range(2):
      print("nobody reads this", flush=True)
      Console().print("nor this")  # By itself it would end the program.
  assert sys.stderr is None


def test_what_the_encoding_lacks_is_written_otherwise(monkeypatch, tmp_path):
  with (tmp_path / "out").open("w", encoding="ascii") as stream:
    monkeypatch.setattr(sys, "stdout", stream)
    output.outlive_the_reader()
    print("é ö")
  assert (tmp_path / "out").read_text() == "\\xe9 \\xf6\n"


_RUN = """
import sys
from gnn_readout.runs import output
output.outlive_the_reader()
for i in range(10_000):
  print("a line", i)
  print("an error", i, file=sys.stderr)
open(sys.argv[1], "w").write("the end")
"""


def test_a_program_behind_which_a_pipe_breaks_ends_well(tmp_path):
  process = subprocess.Popen(
    [sys.executable, "-c", _RUN, tmp_path / "end"],
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
  )
  process.stdout.close()
  process.stderr.close()
  assert process.wait() == 0
  assert (tmp_path / "end").read_text() == "the end"
