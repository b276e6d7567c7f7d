"""Tables, figures and sentences, made from records and published numbers alone;
it imports `records` and `statistics`.
"""
