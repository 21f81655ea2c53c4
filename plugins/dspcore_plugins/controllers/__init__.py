"""Controllers for style transfer, one file each: ``dspcore list controllers``."""
