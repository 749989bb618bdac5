"""What runs on AWS: checks of template.yaml, and the commands that deploy and remove a stack."""
