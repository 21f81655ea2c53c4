"""Loops and other effects: an autoencoder of sound effects with a discriminator at the end."""
