"""The clinic's records, table by table, to be read, printed and taken along, whatever the mode: `/records` of the pages."""
