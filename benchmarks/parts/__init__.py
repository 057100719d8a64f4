"""Parts of jnn beside other forms of the same, which are checked to give the same."""
