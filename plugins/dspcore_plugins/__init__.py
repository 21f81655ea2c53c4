"""First-party plug-ins of the registries of dspcore, found through entry points as any other."""
