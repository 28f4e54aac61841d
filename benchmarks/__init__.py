"""Benchmarks of kseg; part of a checkout, not of the installed package."""
