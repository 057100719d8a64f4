"""HTML as a value, which pages and notebooks show as it is."""


class Markup(str):
    """A piece of HTML in which every text is escaped already; without scripts, and with its colours
    in it.

    >>> Markup("<b>5</b>")._repr_html_()
    '<b>5</b>'
    """

    def _repr_html_(self) -> str:
        return str(self)

    def __repr__(self) -> str:
        return f"Markup of {len(self):,} characters"
