"""Tables, figures and sentences, made from records and published numbers.

It imports `records` and `statistics`.
"""
