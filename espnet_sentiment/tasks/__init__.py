"""How a model is built from a config."""
