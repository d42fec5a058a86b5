"""Entry points of the recipe's stages."""
