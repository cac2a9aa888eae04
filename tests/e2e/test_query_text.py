# SPDX-License-Identifier: Apache-2.0
"""What is shown of a statement, held against pg_stat_statements: the server's own parser knows what
a constant is. Its $1 and our ? must stand in the same places.

It differs on purpose in: N'x' (shown as N$1), the field of EXTRACT (a constant to the parser),
utility statements (not normalised before PostgreSQL 16).
"""

import re
import subprocess

import pytest
from lib.process import HERE

SOURCES = ("lex", "class", "skip", "keyword", "text")

# fmt: off
STATEMENTS = [
    "select id, name from t where id = 5 and name = 'secret'",
    "select -5, - 5, +5, 3 - 1, 3 -1, 2*-3, 1.5e-10, .5, 1e5",
    r"""select 'it''s', E'a\'b', U&'\0061', B'01', X'ff', $$a$$, $t$ $$ $t$""",
    "select * from t where id in (1, 2, 3) or name in ('a', 'b')",
    "insert into t (id, name) values (1, 'a'), (2, 'b'), (3, 'c')",
    "update t set name = 'x', x = x + 1.5, id = -id where id between -5 and -3 and not b",
    "delete from t using u where t.id = u.t_id and u.n like 'a%' escape '!'",
    ("select date '2020-01-01', interval '1 day', timestamp '2020-01-01 10:00', '5'::int, "
     "cast('6' as int), 1::text"),
    r"""select j->>'a', j #> '{a,b}', j @> '{"a":1}', j ? 'k', j ?| array['a','b'] from t""",
    "with q as (select 1 as one), r as (select 'x' as s) select * from q, r limit 5 offset 2",
    ("select case when id = 1 then 'one' when id = 2 then 'two' else 'many' end from t "
     "group by 1 order by 1"),
    "select a[1], a[1:2], array[1,2,3], '{1,2}'::int[] from t",
    "select substring(name from 2 for 3), trim(both 'x' from name), position('a' in name) from t",
    ("select coalesce(name, 'none'), count(*), sum(x) filter (where x > 10) over "
     "(partition by id order by d rows between 1 preceding and current row) from t group "
     "by id, name, x, d"),
    "select * from generate_series(1, 10) g(i), lateral (select i * 2) s(k) where k < 5",
    "select (1, 'a') = (2, 'b'), row(1, 2), (select max(id) from t where x > 3.5)",
    "select id from t where id = any ('{1,2,3}') and d > now() - interval '1 hour' for update",
    'select "id" as "Quoted ""name""", t.name from "t" where t."id" = 7 /* c /* n */ c */',
    ("select x <> 1, x != 2, x >= 3, x = 4 from (select 1 as x) s where false is not true "
     "and 1 is distinct from 2"),
    "select not 5 > 3, 5 between 1 and 10, 'a' || 'b', 2 ^ 3, @ -5, |/ 25, 17 % 4",
    "insert into u select id, 5, 'z' from t where id > 100 on conflict do nothing returning id",
    ("merge into t using u on t.id = u.t_id when matched then update set name = 'm' when "
     "not matched then insert (id, name) values (1, 'n')"),
    "select true, false, id = 1 and true from t",
    (r"""select name collate "C", id::numeric(10,2) from t where name ~ '^a' and name !~* """
     "'b' and name similar to 'c'"),
    "values (1, 'a'), (2, 'b')",
    "select string_agg(name, ',' order by name desc nulls last) from t having count(*) > 1",
    "select 1 union all select 2 except select 3 intersect select 4",
]
# fmt: on


@pytest.fixture(scope="module")
def shown(bed):
    """Turns statements into what is shown of them."""
    tree = HERE.parents[1]
    program = bed.folder / "shown"
    subprocess.run(
        ["gcc", "-O1", "-D_GNU_SOURCE", "-Wall", f"-I{tree}/include", f"-I{tree}/user",
         "-o", program, HERE / "apps/shown.c",
         *(tree / f"user/proto/sql_{name}.c" for name in SOURCES)],
        check=True,
    )  # fmt: skip

    def show(statements):
        text = "".join(f"{statement}\0" for statement in statements)
        output = subprocess.run([program], input=text, capture_output=True, text=True, check=True)
        return output.stdout.split("\0")[:-1]

    return show


@pytest.fixture(scope="module")
def tables(postgres):
    postgres.sql(
        "CREATE TABLE t (id int, name text, x numeric, b bool, j jsonb, a int[], d date);"
        " CREATE TABLE u (id int, t_id int, n text)"
    )
    yield
    postgres.sql("DROP TABLE t, u")


def normalised(postgres, statement):
    """As the server keeps the statement: constants are $1, $2 ..."""
    postgres.sql("SELECT pg_stat_statements_reset()")
    postgres.sql(statement)
    lines = postgres.sql("SELECT query FROM pg_stat_statements WHERE query !~ 'pg_stat_statements'")
    return "\n".join(lines)


def test_constants(postgres, tables, shown):
    """A constant that one of the two overlooks, or a name that one takes for one, differs."""
    theirs = [normalised(postgres, statement) for statement in STATEMENTS]
    ours = shown(STATEMENTS)
    again = shown([re.sub(r"\$\d+", "0", statement) for statement in theirs])
    assert len(ours) == len(STATEMENTS) == len(again)
    for statement, one, other in zip(STATEMENTS, ours, again, strict=True):
        assert one == other, statement
        assert "?" in one
