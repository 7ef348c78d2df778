"""Full snapshots of a database: every table's definition and every row, comparable as plain values."""

import asyncpg

COLUMNS = """
select c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid)
from pg_class c join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public'
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
where c.relkind in ('r', 'p', 'v', 'S') order by 1, a.attname
"""
CONSTRAINTS = (
    "select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint where connamespace = 'public'::regnamespace"
)
INDEXES = "select tablename, indexname, indexdef from pg_indexes where schemaname = 'public'"
POLICIES = "select tablename, policyname, cmd, qual, with_check from pg_policies where schemaname = 'public'"
FUNCTIONS = "select p.oid::regprocedure::text, p.prosrc from pg_proc p where p.pronamespace = 'public'::regnamespace and p.prolang <> 13"
TRIGGERS = "select tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) from pg_trigger where not tgisinternal"
TYPES = """
select t.typname, t.typtype::text, (select string_agg(e.enumlabel, ',' order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid)
from pg_type t where t.typnamespace = 'public'::regnamespace and t.typtype in ('e', 'd', 'r')
"""
TABLES = "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') order by 1"
# What the core writes down about its own work, and therefore changes with every operation.
BOOKS = frozenset(
    {
        "core_module",
        "core_module_operation_log",
        "core_module_request",
        "core_revision",
        "core_setting",
        "refresh_tokens",
        "burned_tokens",
    }
)


async def schema_of(url: str) -> dict[str, set[tuple[object, ...]]]:
    """Columns, constraints, indexes, policies, functions, triggers and types, each as a set."""
    connection = await asyncpg.connect(url)
    try:
        return {
            name: {tuple(row.values()) for row in await connection.fetch(query)}
            for name, query in (
                ("columns", COLUMNS),
                ("constraints", CONSTRAINTS),
                ("indexes", INDEXES),
                ("policies", POLICIES),
                ("functions", FUNCTIONS),
                ("triggers", TRIGGERS),
                ("types", TYPES),
            )
        }
    finally:
        await connection.close()


async def rows_of(url: str, *, without: frozenset[str] = BOOKS) -> dict[str, list[str]]:
    """Every row of every table as text, sorted; the core's books are left out unless asked for."""
    connection = await asyncpg.connect(url)
    try:
        tables = [row[0] for row in await connection.fetch(TABLES) if row[0] not in without]
        return {table: sorted(row[0] for row in await connection.fetch(f'select t::text from "{table}" t')) for table in tables}
    finally:
        await connection.close()
