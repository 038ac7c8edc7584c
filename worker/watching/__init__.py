"""What people see of the workers in Flower: named tasks, their jobs and results, behind a password."""
