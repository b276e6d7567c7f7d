"""What the configs share: variants such as `gcn,sum`, and readouts.

Every argument of a readout, a network and a head is a field of a config,
`model.readout.ARGUMENT` and so on, whether it is set here or not; what is not
set has the default of the class. `python -m launch.readouts NAME` lists those
of a readout.
"""

import difflib
import re
from collections.abc import Mapping
from typing import Any

import ml_collections


def parse_variant(
  variant: str, grammar: str, **known: tuple[str, ...]
) -> dict[str, Any]:
  """Returns what the words of a variant stand for.

  Args:
    variant: Words with commas between, such as `gcn,virtual_node,sum`.
    grammar: Text, such as `MODEL[,virtual_node],READOUT[,paper]`: a word in
      capitals stands for any, another one for itself; those in brackets may be
      left out.
    **known: The words that one in capitals may stand for, if not any.

  Returns:
    By word of the grammar: what it stands for, None if it was left out; for
    those that stand for themselves whether they are there.

  Raises:
    ValueError: If the variant is no such list of words.
  """
  places = re.findall(r"(\[?),?(\w+)\]?", grammar)
  itself = [word for _, word in places if word.islower()]
  words = [word.strip() for word in variant.split(",")]
  found: dict[str, Any] = {}
  for bracket, name in places:
    if name in itself:
      found[name] = words[:1] == [name]
    else:
      fits = bool(words and words[0]) and words[0] not in itself
      fits = fits and words[0] in known.get(name, words)
      if not fits and not (bracket and not words):
        raise unknown_variant(variant, grammar, **known)
      found[name] = words[0] if fits else None
    if found[name]:
      words.pop(0)
  if words:
    raise unknown_variant(variant, grammar, **known)
  return found


def unknown_variant(
  variant: str, grammar: str, **known: tuple[str, ...]
) -> ValueError:
  """Returns an error that says what to write; its arguments are the above."""
  fixed = re.findall(r"\b[a-z]\w*", grammar)
  fixed += [word for words in known.values() for word in words]
  near = [
    difflib.get_close_matches(word.strip(), fixed, n=1)
    for word in variant.split(",")
    if word.strip() not in fixed
  ]
  hint = next((f" Did you mean {names[0]!r}?" for names in near if names), "")
  choices = [f"{name} one of {', '.join(known[name])}" for name in known]
  rule = f" with {' and '.join(choices)}" if known else ""
  return ValueError(
    f"Unknown variant {variant!r}.{hint} Write {grammar}{rule}."
  )


def readout(
  name: str, arguments: Mapping[str, Mapping[str, Any]]
) -> ml_collections.ConfigDict:
  """Returns the part of a config that describes a readout.

  Args:
    name: Name of the readout.
    arguments: Arguments of those readouts that are not used with the defaults
      of their class, by name. None is that of the class too.
  """
  given = arguments.get(name, {})
  return ml_collections.ConfigDict({"name": name, "aux_weight": 0.0, **given})
