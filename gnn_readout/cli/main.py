"""Runs a binary: what is wrong becomes one line."""

from __future__ import annotations

import logging as standard_logging
import re
import sys
from collections.abc import Callable, Sequence

from absl import app, flags, logging

from gnn_readout import programs
from gnn_readout.cli import config
from gnn_readout.errors import Damaged, brief
from gnn_readout.runs import compiled, memory, output, processes, signals

_MOST = 1500  # Characters of a message.
_HELP = {"--help", "--helpshort", "--helpfull"}


def run(
  main: Callable[[Sequence[str]], int | None],
  takes_arguments: bool = False,
  resumes: bool = False,
) -> None:
  """Runs `main` under absl; wrong input becomes one line and exit status 1.

  A binary with --cache_dir keeps there what it compiles.

  With `--verbosity=1` the traceback is printed as well. SIGTERM, SIGINT and
  SIGHUP, where `main` does not handle them itself, become one line too.

  Args:
    main: Takes the positional arguments and returns an exit status or None.
    takes_arguments: Whether there may be any besides flags.
    resumes: Whether the same command resumes what a stopped one left. The
      exit status after a signal is then 0, and else 128 plus its number.
  """

  def guarded(argv: Sequence[str]) -> int | None:
    try:
      if len(argv) > 1 and not takes_arguments:
        raise ValueError(f"unexpected argument {argv[1]!r}")
      with signals.stop_at_once():
        if "cache_dir" in flags.FLAGS:
          compiled.keep(flags.FLAGS.cache_dir)
        return main(argv)
    except signals.Stopped as stop:
      hint = "; the same command resumes" if resumes else ""
      print(f"{stop}: stopped{hint}", file=sys.stderr)
      status = 0 if resumes else 128 + stop.number
      processes.leave(status)
      return status
    except ModuleNotFoundError as error:
      if logging.level_debug() or not programs.lacking(error):
        raise
      return _report(ValueError(programs.lacking(error)))
    except (ValueError, OSError) as error:
      if logging.level_debug():
        raise
      if isinstance(error, Damaged) and error.flags is not None:
        error = Damaged(f"{error}: {config.again(*error.flags)}")
      status = _report(error)
      processes.leave(status)
      return status

  asks_for_help = not _HELP.isdisjoint(sys.argv)
  if "cache_dir" in flags.FLAGS and not asks_for_help:
    memory.ask_for_huge_pages()
  _show_shared_flags()
  program = sys.modules["__main__"]
  program.__doc__ = programs.spelled(program.__doc__ or "")
  memory.keep_freed_memory()
  output.outlive_the_reader()
  sys.unraisablehook = _ignore_late_answers
  line = standard_logging.Formatter("%(levelname)s: %(message)s")
  logging.get_absl_handler().setFormatter(line)
  try:
    app.run(guarded, flags_parser=_parse_flags)
  except SystemExit as stop:
    # absl exits with 1 after --help; who asked for help made no mistake.
    if stop.code == 1 and asks_for_help:
      sys.exit(0)
    raise


def _show_shared_flags() -> None:
  """Makes --help list the flags that the binary takes from this package."""
  for module, defined in flags.FLAGS.flags_by_module_dict().items():
    if module.startswith(f"{__package__}."):
      for flag in defined:
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)


def _report(error: Exception) -> int:
  text = str(error)
  if isinstance(error, OSError) and error.filename and error.strerror:
    text = f"{error.filename}: {error.strerror}"
  text = programs.spelled(brief(text, _MOST))
  print(f"error: {text}", file=sys.stderr)
  return 1


def _ignore_late_answers(unraisable: sys.UnraisableHookArgs) -> None:
  # A checkpoint is read by many threads; after the first error the others
  # find nobody to answer to. The error itself is raised.
  if str(unraisable.exc_value) != "Event loop is closed":
    sys.__unraisablehook__(unraisable)


def _parse_flags(argv: list[str]) -> list[str]:
  """Parses the command line; what is wrong with it becomes one line."""
  try:
    argv = config.take_fields(argv)
    rest = flags.FLAGS(argv)
  except flags.IllegalFlagValueError as error:
    sys.exit(_report(_reworded(error)))
  except (flags.Error, ValueError, OSError) as error:
    sys.exit(_report(error))
  if flags.FLAGS["verbosity"].using_default_value:
    flags.FLAGS.verbosity = logging.WARNING  # absl would take INFO.
  return rest


def _reworded(error: flags.IllegalFlagValueError) -> Exception:
  """Says what a flag takes where absl quotes Python's own error."""
  match = re.match(r"flag (--\w+)=(.*?): ", str(error), re.DOTALL)
  if match and "must have a value" in str(error):
    return ValueError(f"{match[1]} must have a value")
  return error
