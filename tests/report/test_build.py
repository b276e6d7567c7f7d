"""All reports at once: what is written, and the same again."""

from __future__ import annotations

import csv
import json
import pathlib
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from gnn_readout.report import build, markup, terminal
from gnn_readout.report.figures import inner_loop
from gnn_readout.report.results import molecules

ROOT = pathlib.Path(__file__).parents[2]
# Those that the records made here are for.
SECTIONS = (
  "table2", "ablations", "inner_loop", "tu", "median", "omniglot", "polygons",
  "readouts", "runs",
)  # fmt: skip


@pytest.fixture
def records(molecule, crossval):
  """Two seeds of a sum, an equilibrium and a cross-validation."""
  return [
    molecule(seed=0, test=0.75),
    molecule(seed=1, test=0.76),
    molecule("equilibrium", num_steps=15, aux_weight=1.0, test=0.8),
    crossval(),
  ]


@pytest.fixture
def results(records, write_records):
  return write_records(records)


def _files(folder: pathlib.Path) -> dict[str, bytes]:
  return {
    str(path.relative_to(folder)): path.read_bytes()
    for path in sorted(folder.rglob("*"))
    if path.is_file() and "records" not in path.parts
  }


def test_all_is_written_and_the_same_again(results, records):
  said = []
  build.write_all(results, said.append)
  first = _files(results)
  assert set(first) >= {
    "README.md", "molecules.csv", "report.html", "runs.md", "tu.csv",
    "figures/tu_accuracy.png", "figures/tu_accuracy.svg",
  }  # fmt: skip
  assert not {"median.csv", "omniglot.csv", "readouts.md"} & set(first)
  readme, runs = first["README.md"].decode(), first["runs.md"].decode()
  assert "## Readouts on molecules (Table 2)\n\n<!-- table2:begin -->" in readme
  assert runs.startswith("# All runs\n\n")
  for command in ("launch.train", "launch.crossval"):
    assert f"python -m {command} --config" in runs
    assert f"python -m {command} --config" not in readme
  assert "0.7550 ± 0.0071" in readme and "0.7550 ± 0.0071" in runs
  assert any("no record of task 'median'" in line for line in said)
  rows = molecules.rows(molecules.runs(records))
  assert first["molecules.csv"].decode() == markup.csv_table(rows)

  build.write_all(results, said.append)
  assert _files(results) == first
  for name in set(first) - {"README.md"}:
    (results / name).unlink()
  emptied = readme
  for name in ("table2", "tu"):
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, _, rest = emptied.partition(begin)
    emptied = before + begin + "\n" + end + rest.partition(end)[2]
  (results / "README.md").write_text(emptied)
  build.write_all(results, said.append)
  assert _files(results) == first


def test_records_of_all_kinds_lie_in_one_folder(
  records, write_records, inner_loop_run, medians, task, polygon, card
):
  results = write_records(records)
  build.write_all(results, lambda line: None)
  before = (results / "README.md").read_text()
  assert "<!-- median:begin -->" not in before
  # A sweep of tasks sent to the same folder, and the rest.
  counting = task(problem="omniglot") | {"name": "omniglot"}
  counting["config"]["sets"] = {"num_classes": 10, "set_size": 16}
  more = [counting, card()]
  write_records([*medians, *more, polygon("fspool,direct", 4, 0, 1e-5)])
  few = inner_loop_run("few steps", num_steps=5, model="gin", valid=0.6)
  write_records([few, inner_loop_run("drawn", model="gin")])
  said = []
  build.write_all(results, said.append)
  written = _files(results)
  assert {"median.csv", "omniglot.csv", "readouts.md", "runs.md"} <= set(
    written
  )
  page = written["report.html"].decode()
  for name in SECTIONS:
    assert f"{name}: {build.SECTIONS[name].title}" in said
    assert f'<h2 id="{name}">' in page
  assert '<div class="pair">' in page
  readme = written["README.md"].decode()
  assert "figures/drawn_convergence.png" in readme
  # What is said of the others stays.
  begin, end = "<!-- tu:begin -->", "<!-- tu:end -->"
  both = [text.split(begin)[1].split(end)[0] for text in (before, readme)]
  assert both[0] == both[1]


def test_a_section_and_its_figures(medians, write_records):
  results = write_records(medians)
  build.write(results, "median")
  text = (results / "README.md").read_text()
  assert text.count("<!-- median:begin -->") == 1
  assert "figures/median_error.png" in text
  png, svg = (results / "figures" / f"median_error.{x}" for x in ("png", "svg"))
  assert png.read_bytes().startswith(b"\x89PNG")
  assert ElementTree.parse(svg).getroot().tag.endswith("svg")
  first = _files(results)
  build.write(results, "median")
  assert _files(results) == first


def test_a_section_without_records_says_what_to_run(results, crossval):
  build.write_all(results, lambda line: None)
  (results / "records" / f"{crossval()['name']}.json").unlink()
  build.write_all(results, lambda line: None)
  readme = (results / "README.md").read_text()
  begin = readme.index("<!-- tu:begin -->")
  assert (
    "There is no record yet; this command makes one: `python -m launch.crossval"
    in readme[begin:]
  )
  assert "MUTAG" not in (results / "runs.md").read_text()
  assert "<!-- median:begin -->" not in readme


@pytest.mark.parametrize("name", build.SECTIONS)
def test_every_section_says_what_makes_its_records(tmp_path, name):
  command = build.SECTIONS[name].command
  with pytest.raises(
    build.NoRecordsError, match="a finished run writes one"
  ) as e:
    build.write(tmp_path, name)
  assert e.value.command == command
  assert command.startswith("python -m launch.") and command in str(e.value)
  assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_if_a_record_is_damaged(results, crossval):
  path = results / "records" / f"{crossval()['name']}.json"
  record = json.loads(path.read_text())
  del record["protocol"]["selected_on"]
  path.write_text(json.dumps(record))
  with pytest.raises(
    ValueError, match=r"json: field 'protocol.selected_on' is"
  ):
    build.write_all(results, lambda line: None)
  assert _files(results) == {}


def test_an_unknown_section(results):
  with pytest.raises(ValueError, match="'tables2'. Did you mean 'table2'"):
    build.write(results, "tables2")


def _launch(results: pathlib.Path, *names: str) -> subprocess.CompletedProcess:
  return subprocess.run(
    [sys.executable, "-m", "launch.report", *names, f"--results_dir={results}"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    timeout=600,
  )


TEXT = r"my[/x]set.csv $\frac$ <b> `x` | =1+1 <!-- runs:end -->"


def test_text_that_hurts(molecule, crossval, inner_loop_run, write_records):
  records = [
    inner_loop_run("run", dataset=TEXT),
    molecule("max", dataset=TEXT) | {"name": "a", "note": f"=1+1 {TEXT}"},
    crossval(dataset=TEXT) | {"name": "b"},
  ]
  for record in records:
    record["command"] = f"python -m x --config.note='{TEXT}'"
  results = write_records(records)
  for _ in range(2):
    build.write_all(results, lambda line: None)
  found = _files(results)
  assert "<b>" not in found["report.html"].decode().partition("<script>")[0]
  for name in ("README.md", "runs.md"):
    text = markup.CODE.sub("", found[name].decode())
    assert "<b>" not in text and "<!-- runs" not in text, name
  for name in ("molecules.csv", "tu.csv"):
    lines = found[name].decode().splitlines()
    cells = [cell for row in csv.reader(lines) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))]
  ElementTree.fromstring(found["figures/run_convergence.svg"])
  bars = ElementTree.fromstring(found["figures/tu_accuracy.svg"])
  assert TEXT in "".join(bars.itertext())
  terminal.show(build.write(results, "runs"))
  terminal.show(build.write(results, "tu"))


def test_launch_report_prints_a_section(results):
  done = _launch(results, "runs")
  assert done.returncode == 0, done.stderr
  assert "0.7550 ± 0.0071" in done.stdout
  assert set(_files(results)) == {"molecules.csv", "runs.md"}


def test_launch_report_draws(inner_loop_run, write_records):
  record = inner_loop_run("run")
  results = write_records([record])
  done = _launch(results)
  assert done.returncode == 0, done.stderr
  for draw in (inner_loop.convergence, inner_loop.inner_parameters):
    for extension, data in draw(record).items():
      path = results / "figures" / f"run_{draw.__name__}.{extension}"
      assert path.read_bytes() == data  # Another process, the same bytes.
  assert "<!-- inner_loop:begin -->" in (results / "README.md").read_text()
  page = (results / "report.html").read_text()
  assert "learned parameters of the inner loop</figcaption>" in page


def test_launch_report_without_records_says_what_to_run(tmp_path):
  done = _launch(tmp_path)
  assert done.returncode == 1
  assert done.stderr.startswith("error: no run records in ")
  assert "python -m launch.train" in done.stderr
  assert done.stderr.count("\n") == 1
  assert list(tmp_path.iterdir()) == []
