"""Webhooks: asking and telling endpoints that are down, slow or lying."""
