"""Manifests made of what others have written about an API; what is not understood is named, and never guessed."""
