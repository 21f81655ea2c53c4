"""Autoencoders with a latent, one file each: ``dspcore list autoencoders``."""
