"""Modules that several readouts and networks are built of; they import the
mathematics on sets (`graphs`, `segments`, `minimise`, `transport`) alone.
"""
