"""What mkdocs asks while it builds the pages; `mkdocs.yml` names this file.

Pages that are made from the code are added to those of docs/: a page for each
readout, the API of their modules, and CONTRIBUTING.md, CHANGELOG.md and the
tables of speed as they are.
"""

from __future__ import annotations

import re
from typing import Any

from mkdocs.structure.files import File, Files

from documentation import readout_pages
from documentation.readout_pages import ROOT

_COPIED = {
  "contributing.md": "CONTRIBUTING.md",
  "changelog.md": "CHANGELOG.md",
  "speed-figures.md": "results/speed.md",
}


def on_config(config: Any) -> Any:
  """Puts the readouts' pages where mkdocs.yml says `readouts: generated`."""
  for row in config.nav:
    if isinstance(row, dict) and row.get("Readouts") == "generated":
      row["Readouts"] = readout_pages.navigation()
  return config


def on_files(files: Files, config: Any) -> Files:
  """Adds the generated pages."""
  texts = readout_pages.pages()
  texts[readout_pages.API] = readout_pages.api()
  for page, source in _COPIED.items():
    texts[page] = (ROOT / source).read_text(encoding="utf-8")
  for page, text in texts.items():
    files.append(File.generated(config, page, content=text))
  return files


def on_page_markdown(markdown: str, **_: Any) -> str:
  """Shows the name of the file above a block that is one.

  ```python file=NAME in the source, which tests read, is a title for mkdocs.
  """
  return re.sub(
    r"^```(\w+) file=(\S+)$", r'```\1 title="\2"', markdown, flags=re.M
  )
