"""What readouts cost against how well they score, from synthetic records."""

from __future__ import annotations

import pytest

from gnn_readout.report.sections import costs

NAMES = ("sum", "mean", "max", "fspool", "attention", "pna", "std", "softmax")
TIMES = (3.0, 1.5, 6.0, 30.0, 12.0, 60.0, 4.0, 5.0)
FRONT = ["mean", "sum", "softmax", "pna"]


@pytest.fixture
def measured(card, molecule):
  """Returns a card of the costs, and runs with the scores given."""

  def make(scores):
    rows = [
      {"name": name, "training": time}
      for name, time in zip(NAMES, TIMES, strict=True)
    ]
    runs = [
      molecule(readout=name, test=score + seed / 1000, seed=seed)
      for name, score in zip(NAMES, scores, strict=False)
      for seed in (0, 1)
    ]
    return [card(rows=rows), *runs]

  return make


#         sum  mean max  fsp  att  pna  std softmax
SCORES = (0.5, 0.3, 0.6, 0.7, 0.6, 0.9, 0.4, 0.7)


def test_the_front(measured):
  text, sentence, _, table = costs.make(measured(SCORES))
  assert "that of `sum`, at 7 graphs of some and width 5" in text
  assert sentence == (
    "Ogbg-moltox21, gcn, 128 wide, 20 epochs: of 8 readouts `mean`, `sum`,"
    " `softmax` and `pna` are on the front."
  )
  assert [row["readout"] for row in table.rows] == [f"`{n}`" for n in FRONT]
  assert [row["cost"] for row in table.rows] == ["0.5", "1.0", "1.7", "20.0"]
  assert table.rows[0]["test ROC-AUC"].startswith("0.3 ± ")  # .3 and .301.


def test_the_figure_names_the_front_alone(measured):
  *_, figure, _ = costs.make(measured(SCORES))
  svg = figure.data["svg"].decode()
  for name in NAMES:
    written = svg.count(f"<!-- {name} -->")
    assert written == (name in FRONT), name


def test_a_lower_error_is_a_better_one(measured):
  records = measured([1 - score for score in SCORES])
  for record in records[1:]:
    record["lower_is_better"] = True
    record["test"]["metric"] = "rmse"
  *_, table = costs.make(records)
  assert [row["readout"] for row in table.rows] == [f"`{n}`" for n in FRONT]


def test_where_one_readout_beats_all_others(measured):
  scores = list(SCORES)
  scores[NAMES.index("mean")] = 1.0
  assert costs.make(measured(scores))[1].endswith(
    "of 8 readouts `mean` is on the front."
  )


def test_nothing_to_report(measured, card):
  assert costs.make(measured(SCORES[:7])) == []  # Too few readouts.
  assert costs.make(measured(SCORES)[1:]) == []  # No costs.
  assert costs.make([card()]) == []
