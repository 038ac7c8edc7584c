"""What history costs: retention, and upgrades of a database that is large and in use."""
