"""HTML as a value, which pages and notebooks render."""


class Markup(str):
    """A piece of HTML whose texts are escaped, with inline colours and without scripts.

    >>> Markup("<b>5</b>")._repr_html_()
    '<b>5</b>'
    """

    def _repr_html_(self) -> str:
        return str(self)

    def __repr__(self) -> str:
        return f"Markup of {len(self):,} characters"
