/**
 * A process that uses the embedded server, for tests that share or kill it. Argument: the home folder.
 * Writes one JSON line when it is open; releases and ends when told "release".
 */
import { once } from 'node:events'
import { openEmbeddedPostgres } from '../../db/embedded/server.ts'
import { silentLogger } from '../../shared/platform/logger.ts'

const home = process.argv[2]
if (home === undefined) throw new Error('needs the home folder')
try {
  const postgres = await openEmbeddedPostgres({ home, logger: silentLogger, settings: { fsync: 'off' } })
  const url = await postgres.urlOf('vigia')
  process.stdout.write(`${JSON.stringify({ url, serverPid: await postgres.serverPid() })}\n`)
  await once(process.stdin, 'data')
  await postgres.release()
  process.stdout.write('released\n')
} catch (error) {
  process.stdout.write(`refused: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
process.stdin.destroy()
