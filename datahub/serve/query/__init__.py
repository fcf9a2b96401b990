"""Questions to one table in PostgREST's grammar: parsed into a tree, typed, compiled to SQL.

    scanner     characters with a position; says where a text is wrong
    parse       parameters -> tree
    text        tree -> parameters, the same for all ways of writing one question
    tree        what a question is made of
    values      text of a value -> value of a column's type
    conditions  conditions of the tree -> SQL with values to bind
    outputs     select and order of the tree -> SQL
    words       q=, as SQL
    places      geo.bbox= and geo.within=, as SQL
    keyset      rows behind a row in an order, as SQL
    plan        a whole question on the columns of a table

No text of a client ever becomes SQL: names come from the stored schema, values are bound.
"""
