"""Checks of our own for the security scanner, which imports each file here by itself (`.checkov.yaml`)."""
