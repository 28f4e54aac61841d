"""Converters from the export formats of other tools to a data folder."""
