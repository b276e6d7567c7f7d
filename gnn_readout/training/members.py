"""From one configuration with a `population` to those of its members.

`config.population` names fields and the values they take:
"seed=0,1,2 optimizer.learning_rate=1e-4,1e-3" makes six members. Those that
differ in nothing but what one compiled program can take as an argument train
together; see `program.py`.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

from ml_collections import ConfigDict

from gnn_readout import config_fields, paths, tasks
from gnn_readout.config_fields import with_fields
from gnn_readout.fields import flatten
from gnn_readout.runs import settings


def overrides(config: ConfigDict, text: str) -> list[dict[str, Any]]:
  """Returns the fields of every member, the last field changing fastest.

  Args:
    config: Says which fields there are, and of which type; those of its
      readout and the like count, even if the config does not name them.
    text: Text, such as "seed=0,1 model.head.dropout_rate=0,0.5"; empty for one
      member with nothing changed.

  Raises:
    ValueError: If a field is not there, has no values or one of them twice, or
      a value is of another type.
  """
  known = config_fields.known(config)
  values: dict[str, list[Any]] = {}
  for word in text.split():
    name, equals, rest = word.partition("=")
    if not equals or name in values:
      raise ValueError(
        f"{text!r}: {word!r} must have the form FIELD=VALUE,VALUE,..., with no"
        " field given twice"
      )
    if name not in known:
      raise config_fields.unknown(name, known)
    texts = config_fields.split(rest)
    values[name] = [config_fields.read(v, known[name], name) for v in texts]
    if len({*map(config_fields.write, values[name])}) < len(texts):
      raise ValueError(f"{word!r} gives a value twice")
  return [
    dict(zip(values, combination, strict=True))
    for combination in itertools.product(*values.values())
  ]


def expand(config: ConfigDict) -> list[ConfigDict]:
  """Returns the configs of the members, each as if it were run alone.

  Args:
    config: A config, with or without a `population`.
  """
  text = config.get("population", "")
  alone = with_fields(config, {"population": ""} if text else {})
  return [with_fields(alone, fields) for fields in overrides(alone, text)]


def names(config: ConfigDict) -> list[str]:
  """Returns a name for every member, such as 'seed=0,learning_rate=0.001'."""
  texts = [
    ",".join(f"{k.rpartition('.')[2]}={v}" for k, v in fields.items())
    for fields in overrides(config, config.get("population", ""))
  ]
  return [text and paths.part(text) for text in texts]  # Names of folders.


def group_by_program(configs: Sequence[ConfigDict]) -> list[list[int]]:
  """Returns the indices of the members of each program.

  Args:
    configs: Configs of members. Those that differ in no field but the traced
      and the private ones of their problem share a program.
  """
  groups: dict[str, list[int]] = {}
  for i, config in enumerate(configs):
    groups.setdefault(program_key(config), []).append(i)
  return list(groups.values())


def program_key(config: ConfigDict, without: Sequence[str] = ()) -> str:
  """Returns all of a member's config that decides its program.

  Args:
    config: Config of the member.
    without: Further fields, by dotted name, whose values do not matter.
  """
  fields = flatten(settings.as_json(config))
  problem = tasks.problem_class(config)
  for name in (*problem.TRACED, *problem.PRIVATE, *without):
    # A field that is not there, or 0 for good, is not the same program.
    if name in fields:
      fields[name] = None
  return json.dumps(fields, sort_keys=True)


def traced(configs: Sequence[ConfigDict]) -> dict[str, list[float]]:
  """Returns the values, one per member, of every traced field there is."""
  fields = [flatten(config.to_dict()) for config in configs]
  return {
    name: [float(f[name]) for f in fields]
    for name in tasks.problem_class(configs[0]).TRACED
    if fields[0].get(name) is not None
  }
