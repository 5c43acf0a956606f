"""What people see of the runner's work."""
