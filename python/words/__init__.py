"""A spectrogram VAE of spoken digits, of people and espeak-ng, and a prior that says new ones."""
