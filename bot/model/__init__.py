"""What an agent thinks with: the Messages API and nothing else."""
