"""All reports at once: what is written, and the same again."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import sys

import pytest

from benchmarks import readout_card
from gnn_readout.report import build as reports
from gnn_readout.report import markup
from gnn_readout.report.results import molecules as tables

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def results(molecule, crossval, write_records):
  records = [molecule(seed=seed, test=0.75 + seed / 100) for seed in (0, 1)]
  records.append(
    molecule("equilibrium", num_steps=15, aux_weight=1.0, test=0.8)
  )
  write_records(records)
  return write_records([crossval()], "tu")


def _files(folder: pathlib.Path) -> dict[str, bytes]:
  return {
    str(path.relative_to(folder)): path.read_bytes()
    for path in sorted(folder.rglob("*"))
    if path.is_file() and "records" not in path.parts
  }


def test_all_is_written_and_the_same_again(results):
  said = []
  reports.write_all(results, said.append)
  first = _files(results)
  assert set(first) == {
    "README.md", "molecules.csv", "report.html", "runs.md", "tu.csv",
    "figures/tu_accuracy.png", "figures/tu_accuracy.svg",
  }  # fmt: skip
  readme, runs = first["README.md"].decode(), first["runs.md"].decode()
  assert "## Readouts on molecules (Table 2)\n\n<!-- table2:begin -->" in readme
  for command in ("launch.train", "launch.crossval"):
    assert f"python -m {command} --config" in runs
    assert f"python -m {command} --config" not in readme
  assert "0.7550 ± 0.0071" in readme and "0.7550 ± 0.0071" in runs
  assert any("no record of task 'median'" in line for line in said)
  rows = tables.molecule_rows(tables.read_records(results))
  assert first["molecules.csv"].decode() == markup.csv_table(rows)

  reports.write_all(results, said.append)
  assert _files(results) == first
  for name in set(first) - {"README.md"}:
    (results / name).unlink()
  emptied = readme
  for name in ("table2", "tu"):
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, _, rest = emptied.partition(begin)
    emptied = before + begin + "\n" + end + rest.partition(end)[2]
  (results / "README.md").write_text(emptied)
  reports.write_all(results, said.append)
  assert _files(results) == first


def test_a_section_without_records_says_what_to_run(results):
  reports.write_all(results, lambda line: None)
  shutil.rmtree(results / "records" / "tu")
  reports.write_all(results, lambda line: None)
  readme = (results / "README.md").read_text()
  begin = readme.index("<!-- tu:begin -->")
  assert "No record yet: `python -m launch.crossval" in readme[begin:]
  assert "MUTAG" not in (results / "runs.md").read_text()
  assert "<!-- median:begin -->" not in readme


def test_nothing_is_written_if_a_record_is_damaged(results):
  path = next((results / "records" / "tu").iterdir())
  record = json.loads(path.read_text())
  del record["protocol"]["selected_on"]
  path.write_text(json.dumps(record))
  with pytest.raises(
    ValueError, match=r"json: field 'protocol.selected_on' is"
  ):
    reports.write_all(results, lambda line: None)
  assert _files(results) == {}


def test_an_unknown_section(results):
  with pytest.raises(ValueError, match="'tables2'. Did you mean 'table2'"):
    reports.write(results, "tables2")


def _launch(results: pathlib.Path, *names: str) -> subprocess.CompletedProcess:
  return subprocess.run(
    [sys.executable, "-m", "launch.report", *names, f"--results_dir={results}"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    timeout=60,
  )


def test_launch_report_prints_a_section(results):
  done = _launch(results, "runs")
  assert done.returncode == 0, done.stderr
  assert "0.7550 ± 0.0071" in done.stdout
  assert set(_files(results)) == {"molecules.csv", "runs.md"}


def test_launch_report_without_records_says_what_to_run(tmp_path):
  done = _launch(tmp_path)
  assert done.returncode == 1
  assert done.stderr.startswith("error: no run records in ")
  assert "python -m launch.train" in done.stderr
  assert done.stderr.count("\n") == 1
  assert list(tmp_path.iterdir()) == []


def test_the_card_is_made_from_its_numbers_again(results):
  readout_card.render(results)  # Nothing to do.
  path = results / "readouts.json"
  shutil.copy(ROOT / "results" / "readouts.json", path)
  readout_card.render(results)
  card = (results / "readouts.md").read_text()
  assert card == (ROOT / "results" / "readouts.md").read_text()
  path.write_text('{"rows": [{"name": "sum"}]}')
  with pytest.raises(
    ValueError, match=r"readouts\.json: field '\w+' is missing"
  ):
    readout_card.render(results)
  assert (results / "readouts.md").read_text() == card
