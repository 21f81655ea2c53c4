"""DeepAFx-ST's task, equaliser and compressor on speech, through exact effects; see README.md."""
