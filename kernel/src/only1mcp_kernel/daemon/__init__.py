"""The life of a gateway's process: where it keeps its things, how it starts, reloads and stops, how others reach it."""
