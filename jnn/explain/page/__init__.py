"""Pages of HTML: the report, coloured text, tables, embedded figures."""
