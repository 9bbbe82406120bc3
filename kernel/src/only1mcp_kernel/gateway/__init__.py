"""The gateway itself: routing, aggregation, sessions, links to servers. Opens no sockets: plugins do."""
