"""Images and the compose file: what can be checked of them without a container engine."""
