"""Networks between an encoder and its heads."""
