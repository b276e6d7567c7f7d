"""The papers' claims, one by one, and what our runs say of each."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from gnn_readout.records import Record, field, metric_name
from gnn_readout.report.results import crossvals, molecules, published, tasks
from gnn_readout.report.results.crossvals import BASE, FSPOOL
from gnn_readout.report.results.folds import compare
from gnn_readout.report.results.selection import Selection, alike, select
from gnn_readout.report.sections import (
  ablations,
  decoded_sets,
  set_rows,
  table2,
)
from gnn_readout.statistics import holm
from gnn_readout.statistics.t_tests import (
  LEVEL,
  TTest,
  resampled,
  two_samples,
)
from gnn_readout.wording import counted

SUPPORTED, CONTRADICTED, OPEN = "supported", "contradicted", "not decided"


class Case(NamedTuple):
  """Two results of which a paper says that the first is better.

  Attributes:
    setting: What both have in common.
    gain: How much better the first is, in `unit`; negative if it is worse.
    unit: Name of a metric.
    number: What the means are taken of, such as '3 and 3 seeds'.
    test: Test of the gain; None where a side has a single value.
    published: The two results in the paper, if it gives numbers.
  """

  setting: str
  gain: float
  unit: str
  number: str
  test: TTest | None
  published: str = ""


class Claim(NamedTuple):
  """What a paper says.

  Attributes:
    theme: What it is about, such as 'Molecules'.
    text: What is said, without a full stop.
    source: Where.
    cases: Takes all records, and returns what of them bears on it.
  """

  theme: str
  text: str
  source: str
  cases: Callable[[Sequence[Record]], Sequence[Case]]


class Finding(NamedTuple):
  """What our runs say of a claim in one setting.

  Attributes:
    case: Our two results.
    p: The p value of no difference, after Holm's correction for all cases of
      the claim; None if there is no test.
  """

  case: Case
  p: float | None

  @property
  def verdict(self) -> str:
    """Whether the claim is supported, contradicted or not decided."""
    if self.p is None or self.p >= LEVEL:
      return OPEN
    return SUPPORTED if self.case.gain > 0 else CONTRADICTED


def examine(claim: Claim, records: Sequence[Record]) -> list[Finding]:
  """Returns what our runs say of a claim, one finding for each setting.

  Args:
    claim: One of `CLAIMS`.
    records: Records of all kinds.
  """
  cases = claim.cases(records)
  p_values = holm.of_tests([case.test for case in cases])
  return [Finding(*pair) for pair in zip(cases, p_values, strict=True)]


def _case(
  setting: str,
  first: Selection,
  second: Selection,
  levels: Sequence[float | None] = (),
  unit: str = "",
) -> Case:
  """Compares the seeds of two rows.

  Args:
    setting: What both have in common.
    first: What is said to be better.
    second: What is said to be worse.
    levels: What the paper gives for either, if it does.
    unit: Unit of the levels.
  """
  sides = [row.merits for row in (first, second)]
  gain = statistics.fmean(sides[0]) - statistics.fmean(sides[1])
  number = f"{len(sides[0])} and {counted(len(sides[1]), 'seed')}"
  metric = metric_name(first.metric)
  test = two_samples(*sides)
  return Case(setting, gain, metric, number, test, _against(levels, unit))


def _against(levels: Sequence[float | None], unit: str) -> str:
  """Returns such as '0.252 against 0.203 MAP'; '' if one is not known."""
  known = [f"{level:.3g}" for level in levels if level is not None]
  return f"{known[0]} against {known[1]} {unit}" if len(known) == 2 else ""


def _on_molecules(
  first: str, second: str
) -> Callable[[Sequence[Record]], list[Case]]:
  """Returns the cases in which nothing but the readout differs."""

  def cases(records: Sequence[Record]) -> list[Case]:
    runs = filter(molecules.is_scored, molecules.runs(records))
    found = []
    for group in alike(table2.members(select(runs)), without="model.readout"):
      by_name = {molecules.readout_name(row.record): row for row in group}
      if {first, second} <= by_name.keys():
        pair = [by_name[first], by_name[second]]
        levels = map(table2.published_score, pair)
        found.append(
          _case(molecules.setting(group[0].record), *pair, [*levels], "MAP")
        )
    return found

  return cases


def _ablation(
  table: str, better: float, worse: float
) -> Callable[[Sequence[Record]], list[Case]]:
  """Returns the cases of two values of what a table of the paper varies."""
  (ablation,) = (x for x in ablations.ABLATIONS if x.table == table)

  def cases(records: Sequence[Record]) -> list[Case]:
    runs = filter(molecules.is_scored, molecules.runs(records))
    levels = ablations.published_scores(table)
    return [
      _case(
        f"{molecules.setting(group[better].record)},"
        f" {ablation.setting(better)} against {ablation.setting(worse)}",
        group[better],
        group[worse],
        [
          levels.get((molecules.model_name(x.record), ablation.setting(value)))
          for value, x in ((better, group[better]), (worse, group[worse]))
        ],
        "MAP on validation",
      )
      for group in ablations.groups(select(runs), ablation)
      if {better, worse} <= group.keys()
    ]

  return cases


def _median(records: Sequence[Record]) -> list[Case]:
  """Returns the cases, one for each width and length."""
  by_length: dict[tuple, dict[str, Selection]] = {}
  for row in tasks.rows(records, "median"):
    key = tasks.width(row), tasks.length(row)
    by_length.setdefault(key, {})[tasks.label(row)] = row
  return [
    _case(
      f"D = {width}, {length.steps:,} steps, {length.schedule} rate",
      by_name["equilibrium"],
      by_name["attention"],
    )
    for (width, length), by_name in by_length.items()
    if {"equilibrium", "attention"} <= by_name.keys()
  ]


def _on_sets(
  task: str,
  fields: Sequence[str],
  first: str,
  second: str,
  name: Callable[[Selection], str] = tasks.label,
  given: Mapping[str, Any] | None = None,
) -> Callable[[Sequence[Record]], list[Case]]:
  """Returns the cases of a task on sets, one for each setting.

  Args:
    task: Its name.
    fields: In which compared rows agree.
    first: What is said to be better.
    second: What is said to be worse.
    name: What a row is called.
    given: Fields that rows must have, with their values.
  """

  def cases(records: Sequence[Record]) -> list[Case]:
    found = []
    rows = [
      row
      for row in tasks.rows(records, task)
      if all(field(row.record, key) == x for key, x in (given or {}).items())
    ]
    for setting, group in set_rows.by_setting(rows, fields, name).items():
      by_name = {name(row): row for row in group}
      if {first, second} <= by_name.keys():
        found.append(_case(setting, by_name[first], by_name[second]))
    return found

  return cases


def _counting(records: Sequence[Record]) -> list[Case]:
  """Returns one case, of the means of all sides and shares of noise."""
  settings: dict[tuple, dict[str, float]] = {}
  for row in tasks.rows(records, "counting"):
    key = field(row.record, "side"), field(row.record, "noise")
    score = statistics.fmean(row.tests)
    settings.setdefault(key, {}).setdefault(tasks.label(row), score)
  gaps = [
    scores["module"] - scores["score_sum"]
    for scores in settings.values()
    if {"module", "score_sum"} <= scores.keys()
  ]
  if len(gaps) < 2:
    return []
  mean, number = statistics.fmean(gaps), f"{len(gaps)} settings"
  test = resampled(gaps, 0)  # Of pairs that are independent.
  return [Case("sides and noise of Figure 3.6", mean, "accuracy", number, test)]


def _graphs(records: Sequence[Record]) -> list[Case]:
  """Returns FSPool against GIN-Base, one case for each dataset."""
  found = []
  for first, second in crossvals.pairs(crossvals.runs(records)):
    if (crossvals.label(first), crossvals.label(second)) == (BASE, FSPOOL):
      paired = compare(first, second)
      gain = second["test"]["value"] - first["test"]["value"]
      if paired.test:  # Of the folds that both have.
        gain = paired.test.difference
      name = first["dataset"]["name"].removeprefix("tu/")
      setting = f"{name}, {crossvals.setting(first)}"
      folds = paired.wins + paired.ties + paired.losses
      number = counted(folds, "fold")
      levels = [
        published.tu(record["dataset"]["name"], "gin", readout)
        for record in (second, first)
        for readout in [record["config"]["model"]["readout"]["name"]]
      ]
      against = _against([x and x.accuracy for x in levels], "accuracy")
      case = Case(setting, gain, "accuracy", number, paired.test, against)
      found.append(case)
  return found


_PAPER = "Bartunov et al. 2022"
_THESIS = "Zhang 2020 (thesis)"
CLAIMS = (
  Claim(
    "Molecules",
    "equilibrium is better than the sum",
    f"{_PAPER}, Table 2",
    _on_molecules("equilibrium", "sum"),
  ),
  Claim(
    "Molecules",
    "equilibrium is better than attention",
    f"{_PAPER}, Table 2",
    _on_molecules("equilibrium", "attention"),
  ),
  Claim(
    "Molecules",
    "attention is better than the sum",
    f"{_PAPER}, Table 2",
    _on_molecules("attention", "sum"),
  ),
  Claim(
    "Inside Equilibrium Aggregation",
    "ten inner steps are better than one",
    f"{_PAPER}, table E.1",
    _ablation("E.1", 10, 1),
  ),
  Claim(
    "Inside Equilibrium Aggregation",
    "the full capacity is better than a tenth",
    f"{_PAPER}, table E.4",
    _ablation("E.4", 1.0, 0.1),
  ),
  Claim(
    "Inside Equilibrium Aggregation",
    "it is better than attention at the median",
    f"{_PAPER}, Figure 3",
    _median,
  ),
  Claim(
    "Graphs",
    "FSPool is better than GIN-Base",
    f"{_THESIS}, table 5.10",
    _graphs,
  ),
  *(
    Claim(
      "Sets",
      f"equilibrium counts kinds of characters better than {other}",
      f"{_PAPER}, Figure 4b",
      _on_sets("omniglot", ("dataset", "num_steps"), "equilibrium", name),
    )
    for name, other in (("attention", "attention"), ("sum", "the sum"))
  ),
  Claim(
    "Sets",
    "the counting module is better than the sum of the scores",
    f"{_THESIS}, Figure 3.6",
    _counting,
  ),
  Claim(
    "Sets",
    "FSPool classifies digits better than the sum",
    f"{_THESIS}, table 5.6",
    _on_sets("mnist_sets", ("noise", "num_steps"), "fspool", "sum"),
  ),
  Claim(
    "Sets",
    "FSPool classifies digits better than the maximum",
    f"{_THESIS}, table 5.6",
    _on_sets("mnist_sets", ("noise", "num_steps"), "fspool", "max"),
  ),
  *(
    Claim(
      "Sets",
      f"DSPN auto-encodes digits better than an {other}",
      f"{_THESIS}, table 6.1",
      _on_sets(
        "set_prediction",
        ("input", "num_steps"),
        "dspn fspool",
        other.lower(),
        decoded_sets.decoder,
        {"data": "digits", "input": "set"},
      ),
    )
    for other in ("MLP", "LSTM")
  ),
  Claim(
    "Sets",
    "DSPN predicts the corners of a polygon from its rotation better than an"
    " MLP",
    f"{_THESIS}, section 6.1",
    _on_sets(
      "set_prediction",
      ("num_points", "input", "num_steps"),
      "dspn fspool",
      "mlp",
      decoded_sets.decoder,
      {"data": "polygons", "input": "rotation"},
    ),
  ),
  Claim(
    "Sets",
    "DSPN decodes polygons better with FSPool than with the sum",
    f"{_THESIS}, section 6.5.2",
    _on_sets(
      "set_prediction",
      ("num_points", "input", "model.test_num_steps", "num_steps"),
      "dspn fspool",
      "dspn sum",
      decoded_sets.decoder,
      {"data": "polygons", "input": "set"},
    ),
  ),
)
