"""dspcore's ops beside other libraries in one run: ``dspcore bench``."""
