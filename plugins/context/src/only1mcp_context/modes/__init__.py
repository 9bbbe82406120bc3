"""Ways to show tools: what each lists, its own tools, and what their calls stand for."""
