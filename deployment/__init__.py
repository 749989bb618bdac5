"""What runs on AWS: checks of template.yaml, and the commands that deploy, try, repair and remove a stack."""
