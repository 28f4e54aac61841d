"""Reading and writing model metadata, without an interpreter."""
