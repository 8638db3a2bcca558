/** Rows of a query as arrays instead of objects, for queries that answer whole columns. */
import type { Knex } from 'knex'
import type { PoolClient } from 'pg'

/**
 * Rows as arrays. Past knex' own `raw`, so that a list of ids bound once can be named twice.
 * (pg's `binary` option would spare the hexadecimal text of bytea, but decodes every cell as UTF-8 first.)
 */
export const arrayRows = async <R extends readonly unknown[]>(
  db: Knex,
  text: string,
  values: readonly unknown[],
): Promise<readonly R[]> => {
  const connection = (await db.client.acquireConnection()) as PoolClient
  try {
    const result = await connection.query<R[number][]>({ text, values: [...values], rowMode: 'array' })
    return result.rows as unknown as readonly R[]
  } finally {
    await db.client.releaseConnection(connection)
  }
}
