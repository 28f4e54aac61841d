"""The camera loop and the benchmark as programs."""
