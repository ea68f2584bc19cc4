"""The learned reader: requests read by likeness to examples, where templates end."""
