/** What is asked of PostgreSQL. */
import { Client } from 'pg'

/** The statements sent to PostgreSQL while `work` is done, on whatever connection. */
export const queriesOf = async (work: () => Promise<unknown>): Promise<readonly string[]> => {
  const texts: string[] = []
  const sent = Reflect.get(Client.prototype, 'query') as (this: Client, ...given: unknown[]) => unknown
  Client.prototype.query = function (this: Client, ...given: unknown[]) {
    const [query] = given as [string | { readonly text: string }]
    texts.push(typeof query === 'string' ? query : query.text)
    return sent.apply(this, given)
  } as typeof Client.prototype.query
  try {
    await work()
  } finally {
    Client.prototype.query = sent as typeof Client.prototype.query
  }
  return texts
}
