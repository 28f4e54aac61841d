"""Drawing results over frames, and where drawn frames go."""
