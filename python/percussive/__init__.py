"""One-shots: a RAVE-like autoencoder of short hits, a prior over them, and stereo three ways."""
