"""Frames from cameras, files, streams and procedural scenes."""
