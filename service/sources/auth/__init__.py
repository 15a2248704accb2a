"""Signature schemes: one small module each, bound in service/sources/__init__.py."""
