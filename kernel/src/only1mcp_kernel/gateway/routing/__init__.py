"""Between the two: whose a name is, what each view lists, and which way a request goes."""
