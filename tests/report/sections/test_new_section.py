"""A section is added by its file and a row of the table: two files."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[3]
TABLE = "gnn_readout/report/sections/__init__.py"

FILE = '''"""How long the runs took."""

from __future__ import annotations

from collections.abc import Sequence

from gnn_readout.records import Record
from gnn_readout.report.blocks import Block, File, Table


def make(records: Sequence[Record]) -> list[Block]:
  """Makes a table of wall times."""
  runs = [record for record in records if record["kind"] == "run"]
  rows = [{"run": r["name"], "s": f"{r['wall_seconds']:g}"} for r in runs]
  return rows and ["In seconds.", Table("Times", rows), File("t.csv", "run,s")]
'''

ROW = """  "times": Row("Wall times", times.make, "run", "launch.train"),
"""


def test_a_row_and_a_file_make_a_section(tmp_path, molecule, write_records):
  for folder in ("gnn_readout", "launch"):
    shutil.copytree(ROOT / folder, tmp_path / folder)
  table = tmp_path / TABLE
  text = table.read_text()
  for before, added in (
    ("  table2,\n", "  times,\n"),
    ('  "runs": Row(\n', ROW),
  ):
    assert text.count(before) == 1
    text = text.replace(before, added + before)
  table.write_text(text)
  table.with_name("times.py").write_text(FILE)
  write_records([molecule("sum")])
  for name in ("times", "all"):
    done = subprocess.run(
      [
        sys.executable,
        "-m",
        "launch.report",
        name,
        f"--results_dir={tmp_path}",
      ],
      cwd=tmp_path,
      env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
      capture_output=True,
      text=True,
      timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert "Wall times" in done.stdout or "Times" in done.stdout
  readme = (tmp_path / "README.md").read_text()
  assert "## Wall times\n\n<!-- times:begin -->\nIn seconds." in readme
  assert (
    '<h2 id="times">Wall times</h2>' in (tmp_path / "report.html").read_text()
  )
  assert (tmp_path / "t.csv").read_text() == "run,s"
