/** The rows of a statement of our own, with bindings by name. */
import type { Knex } from 'knex'

export const rawRows = async <Row>(
  db: Knex | Knex.Transaction,
  sql: string,
  bindings: Readonly<Record<string, unknown>>,
): Promise<readonly Row[]> => {
  const { rows } = (await db.raw(sql, bindings as Record<string, Knex.RawBinding>)) as { rows: Row[] }
  return rows
}
