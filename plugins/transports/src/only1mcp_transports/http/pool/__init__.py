"""The lane of the HTTP connector that speaks HTTP itself: connections kept open, and no task for a request."""
