"""Tables of speed by device, and what they say is lacking."""

from __future__ import annotations

import pytest

from gnn_readout.report import build
from gnn_readout.report.blocks import Section, markdown
from gnn_readout.report.results.speed import FIGURES
from gnn_readout.report.sections import speed


@pytest.fixture
def measured(card):
  """Makes the record of a figure."""

  def make(name, rows, **fields):
    record = card(
      name=name,
      benchmark=FIGURES[name].arguments[0],
      command=f"{FIGURES[name].command} --rounds=7",
      rows=rows,
      rounds=7,
      git_commit="0123456789abcdef",
      git_dirty=False,
      **fields,
    )
    del record["given"], record["large"]
    return record

  return make


@pytest.fixture
def step():
  """Makes the row of a training step."""

  def make(**fields):
    return {
      "name": "gcn,sum",
      "dataset": "ogbg-molhiv",
      "batch_size": 32,
      "unit": "graphs/s",
      "against": "pyg",
      "ours": 1745.4,
      "peer": 703.2,
      "ratio": 2.48,
      "iqr": {"ours": 54.0, "peer": 21.0},
      "first_step_seconds": 4.32,
      "mebibytes": 1234.5,
      "gflops": 159.6,
      "matrix_gflops": 225.4,
      **fields,
    }

  return make


def _text(records):
  return markdown(Section("speed", "Speed", speed.make(records)))


def test_a_model_against_its_peers(measured, step, card):
  lacking = step(against="pyg_compiled", unavailable="no compiler")
  del lacking["peer"], lacking["ratio"], lacking["iqr"]["peer"]
  text = _text([card(), measured("gcn_32", [step(), lacking])])
  what = "| gcn,sum, batch 32, ogbg-molhiv | 1,745 ± 54 graphs/s"
  assert (
    f"{what} | PyTorch Geometric | 703 ± 21 | 2.48x | 7 | 012345678 |" in text
  )
  assert (
    f"{what} | PyTorch Geometric, compiled | no compiler | — | 7 | 0123" in text
  )
  first = "| gcn,sum, batch 32, ogbg-molhiv | 4.3 | 1,234 |"
  assert text.count(first) == 1  # Not for each peer.
  assert text.count("| gcn,sum, batch 32, ogbg-molhiv | 160 | 225 |") == 1
  assert "**3 cores (a machine)**, cpu: jax 1." in text


def test_what_has_no_record_is_said(measured, step, card):
  text = _text([card(), measured("gcn_32", [step()])])
  missing = [name for name in FIGURES if name not in ("gcn_32", "readout_card")]
  only = f"--record --only={','.join(missing)}`"
  assert f"No record yet on this device: `{speed.COMMAND} " in text
  assert only in text
  everything = [measured(name, [step()]) for name in FIGURES]
  for record in everything:
    record["rows"] = [step(paper=None, milliseconds=1.0, times_sum=1.0,
                           readout="sum", kind="forward")]  # fmt: skip
  assert "No record yet" not in _text(everything)


def test_every_device_has_tables_of_its_own(measured, step):
  gpu = {"platform": "gpu", "device": "an accelerator", "cpu_count": 3}
  one = measured("gcn_32", [step()])
  two = measured("gcn_32", [step(ours=9999.0)], hardware=gpu)
  text = _text([two, one])
  first, second = text.split("**an accelerator**, gpu: jax 1.")
  assert "1,745 ± 54" in first and "9,999" not in first
  assert "9,999 ± 54" in second and "1,745" not in second
  assert "Against peers, an accelerator" in second


def test_the_newest_record_counts(measured, step):
  old = measured("gcn_32", [step(ours=1.0)])
  old["finished_at"] = "2024-01-01T00:00:00+00:00"
  new = measured("gcn_32", [step()])
  for records in ([old, new], [new, old]):
    text = _text(records)
    assert "1,745 ± 54" in text and "| 1 ± 54" not in text


def test_what_became_slower_is_said(measured, step):
  record = measured("gcn_32", [step()], slower=["gcn,sum: it was 2,000"])
  assert "of this device: gcn,sum: it was 2,000." in _text([record])
  assert "fell by more" not in _text([measured("gcn_32", [step()])])


def test_readouts_inner_steps_and_datasets(measured, step):
  def by_itself(kind, ours):
    return step(readout="max", kind=kind, ours=ours, name=f"max, {kind}")

  readouts = [by_itself("forward", 50.0), by_itself("training", 20.0)]
  row = step(name="T = 5, unrolled", milliseconds=12.34, times_sum=5.6)
  del row["against"], row["peer"], row["ratio"]
  loading = {"dataset": "some", "cold_seconds": 0.512, "warm_seconds": 0.02,
             "peak_megabytes": 1234.0, "column_megabytes": 56.0}  # fmt: skip
  text = _text(
    [
      measured("readouts", readouts),
      measured("inner_steps", [{**row, "paper": 4.2}]),
      measured("data", [step(name="batching, batch 8")], **loading),
    ]
  )
  assert "| `max` | 50 ± 54 | 703 ± 21 | 2.48x | 20 ± 54 | 703 ± 21 |" in text
  assert "| T = 5, unrolled | 12.3 | 5.60 | 4.20 | 012345678 |" in text
  assert "| some | 0.51 | 0.02 | 1,234 | 56 |" in text
  assert "max, forward" not in text  # It stands in a table of its own.


def test_a_missing_field_is_named(measured, step):
  row = step()
  del row["unit"]
  with pytest.raises(ValueError, match=r"'a machine' has no field 'unit'; mea"):
    speed.make([measured("gcn_32", [row])])


def test_nothing_to_report(card, molecule):
  assert speed.make([card(), molecule()]) == []


def test_it_is_a_file_of_its_own(measured, step, write_records):
  results = write_records([measured("gcn_32", [step()])])
  build.write(results, "speed")
  assert (results / "speed.md").read_text().startswith("# Speed\n\nMedians")
