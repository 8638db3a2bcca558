/**
 * Temporary folders of test servers. A run that was killed cannot clean up after itself: each folder names
 * its owner, and the next run ends the servers and removes the folders of owners that are gone.
 */
import { chmod, lstat, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isRunning, ownIdentity, parseIdentity, startMarkOf } from '../../db/embedded/processes.ts'
import { openEmbeddedPostgres } from '../../db/embedded/server.ts'
import { silentLogger } from '../../shared/platform/logger.ts'

const PREFIX = 'vigia-test-'
const OWNER = 'owner.json'
const CHILD = 'child.json'

const readIdentity = async (path: string) => parseIdentity(await readFile(path, 'utf8').catch(() => ''))

const exists = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  )

/** A folder of this run that the embedded server can reach also when the tests run as root. */
export const temporaryFolder = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), PREFIX))
  await chmod(folder, 0o755)
  await writeFile(join(folder, OWNER), JSON.stringify(ownIdentity()))
  return folder
}

/** Notes that process `pid` works in `folder` and ends with it. */
export const noteChild = (folder: string, pid: number): Promise<void> =>
  writeFile(join(folder, CHILD), JSON.stringify({ pid, startedAt: startMarkOf(pid) ?? 'gone' }))

const clear = async (folder: string): Promise<void> => {
  const child = await readIdentity(join(folder, CHILD))
  if (child && isRunning(child)) process.kill(child.pid, 'SIGKILL')
  if (await exists(join(folder, 'database', 'data', 'postmaster.pid'))) {
    // Adopts the orphan and, being its last user, stops it.
    const orphan = await openEmbeddedPostgres({
      home: folder,
      logger: silentLogger,
      settings: { fsync: 'off' },
    })
    await orphan.release()
  }
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
}

/** Clears what killed runs of this user left behind; what cannot be cleared is left to the next run. */
export const clearLeftovers = async (): Promise<void> => {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(PREFIX)) continue
    const folder = join(tmpdir(), name)
    const found = await lstat(folder).catch(() => null)
    if (!found?.isDirectory() || found.uid !== (process.getuid?.() ?? found.uid)) continue
    const owner = await readIdentity(join(folder, OWNER))
    if (owner && !isRunning(owner)) await clear(folder).catch(() => undefined)
  }
}
