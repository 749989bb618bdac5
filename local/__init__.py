"""Reads template.yaml with SAM's own transform, for the local stack and for the checks in deployment/."""
