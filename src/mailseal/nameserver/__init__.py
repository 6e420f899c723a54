"""Answering for our hosted zones over UDP and TCP."""
