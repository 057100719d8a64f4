"""Classical methods that a network has to beat, where no library of the field has them."""
