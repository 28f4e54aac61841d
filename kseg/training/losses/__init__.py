"""Losses over pixels and over regions."""
