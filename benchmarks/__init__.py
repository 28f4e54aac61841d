"""Measurements of kseg against others and itself; in a checkout, not in the wheel."""
