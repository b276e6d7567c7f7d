"""What records say: read, grouped, selected and compared; imports `records` and
`statistics`, never a figure or a section.
"""
