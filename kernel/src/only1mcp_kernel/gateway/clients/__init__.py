"""The clients' side: who they are, their sessions and streams, what they ask and what they hear."""
