"""Annotations of Ingresses, and ConfigMaps of their controllers: each dialect in a file of its own.

A dialect's module exports a `Reader`: which annotations are its own, what is carried over of them, and a function from
them to `Options`, the words that all dialects share.  `notes` has the values with their types and mistakes, `names`
which annotations exist at all, `readers` all dialects.  What an option does is the graph's business.
"""
