"""From a configuration file to a plan. Nothing in here opens a component or knows one by name."""
