"""What definitions of tools cost a model, and how the same is said in fewer tokens.

Pure functions of what servers list, whatever they list: what can't be understood is left as it is.
"""
