"""The camera program and the benchmark program."""
