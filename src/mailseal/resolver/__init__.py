"""Asking the DNS: the authorities directly, then validating resolvers."""
