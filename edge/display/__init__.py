"""Drawing results on frames, and the sinks of drawn frames."""
