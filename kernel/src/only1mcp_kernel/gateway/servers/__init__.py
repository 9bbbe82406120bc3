"""The servers' side: endpoints and the links to them, calls and lists, what servers ask and tell."""
