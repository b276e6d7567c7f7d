"""The pages as a site: built without a warning, and sufficient to itself."""

from __future__ import annotations

import html.parser
import pathlib
import urllib.parse

import pytest
from mkdocs.commands import build
from mkdocs.config import load_config

from documentation import readout_pages

ROOT = pathlib.Path(__file__).parents[2]


class _Page(html.parser.HTMLParser):
  """What a page fetches, where its links lead, and its anchors."""

  def __init__(self, text: str):
    super().__init__()
    self.fetched: list[str] = []
    self.links: list[str] = []
    self.anchors: set[str] = set()
    self.feed(text)

  def handle_starttag(self, tag, attrs):
    given = dict(attrs)
    self.anchors |= {given[key] for key in ("id", "name") if given.get(key)}
    if tag == "a" and given.get("href"):
      self.links.append(given["href"])
    if tag == "link" and given.get("rel") != "canonical":
      self.fetched.append(given["href"])
    if given.get("src"):
      self.fetched.append(given["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
  """The folder of the site; the figures of the readouts are left out."""
  folder = tmp_path_factory.mktemp("site")
  with pytest.MonkeyPatch.context() as patch:
    patch.chdir(ROOT)
    patch.setattr(readout_pages, "figure", lambda name: "<svg></svg>")
    config = load_config("mkdocs.yml", site_dir=str(folder), strict=True)
    config.plugins.on_startup(command="build", dirty=False)
    build.build(config)  # Raises where there was a warning.
  return folder


@pytest.mark.slow
def test_nothing_is_fetched_and_every_link_leads_somewhere(site):
  pages = {
    path: _Page(path.read_text(encoding="utf-8"))
    for path in site.rglob("*.html")
    if path.name != "404.html"  # Its links start at the root of a server.
  }
  assert len(pages) > 60
  wrong = []
  for path, page in pages.items():
    for link in page.fetched:
      if urllib.parse.urlsplit(link).scheme not in ("", "data"):
        wrong.append((path.name, link))
    for link in page.links + page.fetched:
      parts = urllib.parse.urlsplit(link)
      if parts.scheme:
        continue
      there = (path.parent / urllib.parse.unquote(parts.path)).resolve()
      target = there if parts.path else path
      anchor = urllib.parse.unquote(parts.fragment)
      if not target.exists() or (
        anchor and target in pages and anchor not in pages[target].anchors
      ):
        wrong.append((path.name, link))
  assert not wrong


@pytest.mark.slow
def test_formulas_are_mathml(site):
  text = (site / "readouts" / "attention.html").read_text(encoding="utf-8")
  assert "<math>" in text and "<msubsup>" in text
