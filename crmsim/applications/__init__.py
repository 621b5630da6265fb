"""What may a system do with a document? Pure rules: no clock, no sending."""
