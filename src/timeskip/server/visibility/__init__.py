"""Visibility: finding runs by what is known of them.

    attributes      which search attributes a filter may name, and where their values are
    query_syntax    the grammar of a list filter
    literals        the values in a list filter
    list_filter     from a list filter to a condition of the store
    store           the table of runs that conditions are asked of
    pages           page tokens
    listing         the RPCs that take a list filter
    open_and_closed the RPCs for open and closed runs

Nothing is written when a run changes. Somebody has to list first; then the rows of those runs that
changed since the last listing are written anew.
"""
