"""Small torch modules that encoders, decoders and models share."""
