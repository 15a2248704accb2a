"""Kinds of bodies: one module each, bound in service/sources/__init__.py."""
