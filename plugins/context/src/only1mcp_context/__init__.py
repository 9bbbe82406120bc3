"""Context economy: what definitions and results cost a model, and the transforms that make them cost less."""
