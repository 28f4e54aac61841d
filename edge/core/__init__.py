"""Modules shared by all packages of edge: arguments, files, images, logging, timing."""
