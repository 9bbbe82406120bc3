"""The official conformance suite, against a reference server directly and through the gateway.

`make conformance` runs it all and writes docs/conformance.md.
"""
