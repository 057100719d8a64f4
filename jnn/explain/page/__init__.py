"""Pages of HTML: the report, coloured text, embedded figures."""
