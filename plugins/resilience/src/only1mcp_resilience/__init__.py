"""What keeps servers from being asked too much."""
