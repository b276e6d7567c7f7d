"""What records say: read, grouped, selected and compared.

It imports `records` and `statistics`, no figure and no section.
"""
