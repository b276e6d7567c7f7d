"""What was found: which of the papers' claims our runs support."""

from __future__ import annotations

from collections.abc import Sequence

from gnn_readout.records import Record
from gnn_readout.report.blocks import Block, Table
from gnn_readout.report.sections.claims import (
  CLAIMS,
  CONTRADICTED,
  OPEN,
  SUPPORTED,
  Claim,
  Finding,
  examine,
)
from gnn_readout.statistics.t_tests import LEVEL
from gnn_readout.wording import counted


def make(records: Sequence[Record]) -> list[Block]:
  """Makes the section of the papers' claims."""
  by_claim = {claim: examine(claim, records) for claim in CLAIMS}
  found = [(claim, x) for claim, own in by_claim.items() for x in own]
  if not found:
    return []
  themes = dict.fromkeys(claim.theme for claim, _ in found)
  sentences = [
    f"{theme}: "
    + "; ".join(
      _clause(claim, own)
      for claim, own in by_claim.items()
      if own and claim.theme == theme
    )
    + "."
    for theme in themes
  ]
  return [
    *sentences,
    "A row below is a setting in which both sides of a claim ran: the"
    " difference of the mean test scores, positive where the claim holds, and"
    f" its {1 - LEVEL:.0%} confidence interval. The claim is supported or"
    f" contradicted there if p < {LEVEL} after Holm's correction for all its"
    " settings. Else it is not decided, as it is where a side has a single"
    " seed. Our runs are shorter than those of the papers, on other data or"
    " less of it; the sections below say by how much.",
    Table("The papers' claims", [_cells(claim, x) for claim, x in found]),
  ]


def _clause(claim: Claim, found: Sequence[Finding]) -> str:
  number = {
    verdict: sum(x.verdict == verdict for x in found)
    for verdict in (SUPPORTED, CONTRADICTED, OPEN)
  }
  if len(found) == 1:
    return f"{claim.text}: {found[0].verdict} in one setting"
  parts = " and ".join(
    f"{verdict} in {n}" for verdict, n in number.items() if n
  )
  return f"{claim.text}: {parts} of {counted(len(found), 'setting')}"


def _cells(claim: Claim, x: Finding) -> dict[str, str]:
  test = x.case.test
  return {
    "claim": claim.text,
    "source": claim.source,
    "paper": x.case.published,
    "setting": x.case.setting,
    "difference": f"{x.case.gain:+.3g} {x.case.unit}",
    f"{1 - LEVEL:.0%} interval": (
      f"[{test.low:+.3g}, {test.high:+.3g}]" if test else ""
    ),
    "p": "" if x.p is None else f"{x.p:.2g}",
    "means of": x.case.number,
    "verdict": x.verdict,
  }
