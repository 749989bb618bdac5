"""What runs on AWS: proofs about template.yaml, and the commands that deploy, try, read and remove a stack."""
