"""Datasets differ in what is told, and in nothing else."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from gnn_readout.data import identity


@pytest.fixture
def random(make_store):
  return make_store([3, 4, 0, 5, 2, 6, 7, 1, 9])


def flipped(array):
  result = array.copy()
  result.flat[0] += 1
  return result


def test_facts_are_those_of_the_content(random):
  facts = identity.facts(random)
  assert facts == identity.facts(random)
  sizes = [
    facts[f"num_{name}"] for name in ("graphs", "train", "valid", "test")
  ]
  assert sizes == [9, 4, 5, 0]
  assert facts["task_names"] == ["task 0", "task 1", "task 2"]
  assert facts["description"] == random.describe()
  assert not identity.differences(facts, facts)
  schema = dataclasses.replace(random.schema, name="other", notes=("a note",))
  renamed = identity.facts(dataclasses.replace(random, schema=schema))
  assert not identity.differences(facts, renamed)


@pytest.mark.parametrize(
  ("column", "words"),
  [
    *(
      (name, "the nodes, edges or features of some graphs differ")
      for name in ("nodes", "edges", "senders", "receivers")
    ),
    ("labels", "some labels differ"),
  ],
)
def test_what_differs_is_said(random, column, words):
  changed = {column: flipped(getattr(random, column))}
  other = identity.facts(dataclasses.replace(random, **changed))
  here = identity.facts(random)
  found = identity.differences(other, here)
  prints = f"{other['fingerprint']} there, {here['fingerprint']} here"
  assert found == [words, f"fingerprint: {prints}"]


def test_splits_sizes_and_tasks(random):
  here = identity.facts(random)

  def first(**changes):
    return identity.differences(
      identity.facts(dataclasses.replace(random, **changes)), here
    )[0]

  train, valid = random.splits["train"], random.splits["valid"]
  swapped = {**random.splits, "train": train[::-1]}
  assert first(splits=swapped) == "train, valid or test hold different graphs"
  moved = {**random.splits, "train": train[1:], "valid": valid}
  assert first(splits=moved) == "train: 3 graphs there, 4 here"
  names = dataclasses.replace(random.schema, task_names=("a", "b", "c"))
  assert first(schema=names) == (
    "tasks: a, b, c there, task 0, task 1, task 2 here"
  )


def test_an_early_checkpoint_has_nothing_but_fingerprints(random):
  here = identity.facts(random)
  (same, none) = identity.of_checkpoint(
    {"fingerprints": [here["fingerprint"], ""]}
  )
  assert not identity.differences(same, here)
  identity.check("the run", none, here, "")
  (other,) = identity.of_checkpoint({"fingerprints": ["00000000"]})
  message = (
    r"^the run was made with data that differ .*'random' now: .*00000000 there"
  )
  with pytest.raises(ValueError, match=message):
    identity.check("the run", other, here, "Restore it")


def test_the_fingerprint_is_one_of_all_columns(random):
  """Those of records that are there must stay as they are."""
  import zlib

  columns = [
    getattr(random, name)
    for name in (
      *("node_offsets", "edge_offsets", "nodes", "edges", "senders"),
      *("receivers", "labels"),
    )
  ]
  data = b"".join(
    np.ascontiguousarray(x).tobytes()
    for x in (*columns, *random.splits.values())
  )
  assert identity.facts(random)["fingerprint"] == f"{zlib.crc32(data):08x}"
