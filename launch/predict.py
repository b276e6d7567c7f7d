"""Predicts for new molecules or graphs with one or several trained runs.

python -m launch.predict --workdir=runs/mine --input=new.csv --output=out.csv
python -m launch.predict --workdir=runs/a,runs/b --input=new.smi \
  --output=out.parquet
python -m launch.predict --workdir=runs/mine --input=new.csv --output=out.csv \
  --weights --image=drawings

Only the folder of the run is needed, not its dataset. Labels are not read. All
columns of the input are kept; an invalid SMILES is reported, and its
predictions are left empty. Several runs form an ensemble: the mean and the
standard deviation of their predictions are written.
"""

from __future__ import annotations

from collections.abc import Sequence

from absl import flags

from gnn_readout import cli

_WORKDIR = cli.define_workdir(
  "Folder of the run; several folders, separated by commas, form an ensemble."
)
_INPUT = flags.DEFINE_string(
  "input",
  None,
  "Predict for the molecules or graphs in this: a .csv, .tsv or .smi file"
  " with SMILES (also .gz), the folder of a store, a packed dataset, or a"
  " dataset such as ogbg-molhiv.",
  required=True,
)
_OUTPUT = flags.DEFINE_string(
  "output",
  None,
  "Write the predictions to this .csv, .parquet or .npz file.",
  required=True,
)
_SMILES_COLUMN = flags.DEFINE_string(
  "smiles_column",
  None,
  "Column of the input that holds the SMILES (default: the one used in"
  " training, or else smiles).",
)
_CHECKPOINT = flags.DEFINE_string(
  "checkpoint",
  "best",
  "Predict with this checkpoint: best (the best on validation) or latest.",
)
_EMBEDDINGS = flags.DEFINE_bool(
  "embeddings", False, "Also write the readout's vector of each graph."
)
_NODE_EMBEDDINGS = flags.DEFINE_bool(
  "node_embeddings",
  False,
  "Also write the vectors of the nodes; .parquet and .npz files can hold them.",
)
_WEIGHTS = flags.DEFINE_bool(
  "weights",
  False,
  "Also write the weight of each node, if the readout weighs nodes.",
)
_IMAGE = flags.DEFINE_string(
  "image",
  None,
  "Draw each molecule as an SVG file in this folder, its atoms coloured by"
  " weight (default: no drawings).",
)
_DATA_DIR = cli.define_data_dir()
_CACHE_DIR = cli.define_cache_dir()


def main(argv: Sequence[str]) -> None:
  """Predicts what the flags name."""
  del argv
  from gnn_readout.files import check_writable
  from gnn_readout.report.figures import molecules
  from gnn_readout.training import predict
  from gnn_readout.wording import counted

  if _IMAGE.value:  # Not found out after all the work.
    check_writable(_IMAGE.value)
  result = predict.run(
    _WORKDIR.value,
    _INPUT.value,
    _OUTPUT.value,
    predict.Wanted(_EMBEDDINGS.value, _NODE_EMBEDDINGS.value, _WEIGHTS.value),
    draws=bool(_IMAGE.value),
    checkpoint=_CHECKPOINT.value,
    smiles_column=_SMILES_COLUMN.value,
    data_dir=_DATA_DIR.value,
    cache_dir=_CACHE_DIR.value,
  )
  if _IMAGE.value:
    count = molecules.write(_IMAGE.value, *result.drawings())
    print(f"{_IMAGE.value}: {counted(count, 'drawing')}", flush=True)


if __name__ == "__main__":
  cli.run(main)
