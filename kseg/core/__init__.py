"""What every package of kseg shares; no Keras at import."""
