"""Programs of the command line: their flags and help, and nothing else.

Each imports `gnn_readout.cli`, and inside `main` what it runs, so that --help
answers at once.
"""
