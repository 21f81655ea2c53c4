"""Loops and textures: an autoencoder of sound effects with a discriminator at the end."""
