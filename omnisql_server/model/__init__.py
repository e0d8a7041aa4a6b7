"""The frozen nouns that the stages hand to each other."""
