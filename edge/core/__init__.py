"""What every part of edge shares."""
