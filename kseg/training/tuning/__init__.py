"""Searches the options of a training by many short trainings."""
