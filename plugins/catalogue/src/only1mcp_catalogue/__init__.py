"""What a client sees of the servers' tools, prompts and resources."""
