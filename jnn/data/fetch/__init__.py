"""Fetching published files once.

`sources` finds, downloads, verifies and keeps the files of a data set; the record of each data set
is in `catalogue`, its form in `records`. `download` has the origins (packages, Debian, web
addresses), and `archives` reads single members of archives safely.
"""
