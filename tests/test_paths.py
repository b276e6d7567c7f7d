"""Nothing that becomes part of a path leads elsewhere."""

from __future__ import annotations

import copy

import pytest

from configs import molpcba
from gnn_readout import paths, records
from gnn_readout.data import store
from gnn_readout.data.sources import tu_files
from gnn_readout.report import blocks
from gnn_readout.report.blocks import Figure, File, Section
from gnn_readout.sweeps import run_spec
from gnn_readout.training import members
from tests.data.test_store import make_store
from tests.test_records import FACTS

ELSEWHERE = (
  "../../../x", "/tmp/x", "a/../../x", "..", ".", "", ".hidden", "a\\b", "a\nb",
  "a\0b", "x" * 256, "a/b", "\x1b[2J", "é" * 128, "\udcc3",
)  # fmt: skip
FINE = ("gcn,sum-learning_rate=0.001", "my run", "Läufe", "a..b", "x" * 200,
        "my[set", "-x", "(256, 256, 1)")  # fmt: skip


@pytest.mark.parametrize("text", ELSEWHERE)
def test_what_leads_elsewhere(text):
  with pytest.raises(ValueError, match="^a name cannot be '") as error:
    paths.check_part(text, "a name")
  assert len(str(error.value)) < 300 and str(error.value).isprintable()
  for make in (paths.part, paths.made):
    name = make(text)
    assert paths.is_part(name) and name != text
    assert len(name) <= 169


@pytest.mark.parametrize("text", FINE)
def test_what_stays_as_it_is(text):
  assert paths.check_part(text, "a name") == paths.part(text) == text


def test_different_texts_have_different_names():
  texts = [*ELSEWHERE, *FINE, "a/c", "a.c", "x" * 300, "x" * 301]
  assert len({paths.made(text) for text in texts}) == len(texts)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_record_of_such_a_name_is_neither_written_nor_read(tmp_path, name):
  facts = copy.deepcopy(FACTS) | {"name": name}
  with pytest.raises(ValueError, match=r"record\.json: field 'name' cannot be"):
    records.write(tmp_path, facts)
  assert list(tmp_path.iterdir()) == []
  record = {**facts, "schema_version": records.VERSION, "finished_at": "now"}
  path = tmp_path / "r.json"
  path.write_text(records.as_text(record))
  with pytest.raises(ValueError, match=r"r\.json: field 'name' cannot be"):
    records.read(path)


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a/b"])
def test_a_section_writes_nothing_elsewhere(tmp_path, name):
  results = tmp_path / "inner" / "results"
  for block in (File(name, "text"), Figure(name, "", {"svg": b""})):
    with pytest.raises(ValueError, match="cannot be"):
      blocks.write(results, Section("s", "S", [block], "s.md"))
  assert not results.exists()


@pytest.mark.parametrize("value", ["a/../../x", "/x", "..", "x" * 300, "a/b"])
def test_members_and_runs_are_folders_of_their_own(value):
  config = molpcba.get_config("gcn,sum")
  config.population = f"note={value},other"
  names = members.names(config)
  assert names[1] == "note=other" and len(set(names)) == 2
  assert all(map(paths.is_part, names))
  config = molpcba.get_config("gcn,sum")
  config.note = config.dataset = value
  assert paths.is_part(run_spec.run_name(value, ["dataset"], config))


@pytest.mark.parametrize("name", ["..", "../x", "a/../../x", "/etc", ""])
def test_a_tu_dataset_lies_in_its_folder(tmp_path, name):
  (tmp_path / "data" / "tu").mkdir(parents=True)
  with pytest.raises(ValueError, match="NAME of a dataset tu/NAME cannot be"):
    tu_files.tu_files(name, tmp_path / "data")


def test_a_column_of_a_cache_lies_in_its_folder(tmp_path):
  make_store().save(tmp_path / "cache")
  meta = store.read_json(tmp_path / "cache" / "meta.json")
  meta["columns"]["text_../labels"] = meta["columns"]["labels"]
  meta["crc32"] = store._checksum_of_meta(meta)
  (tmp_path / "cache" / "meta.json").write_text(records.as_text(meta))
  with pytest.raises(ValueError, match=r"a column cannot be 'text_\.\./lab"):
    store.open_store(tmp_path / "cache")
