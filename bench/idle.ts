/** Memory of the whole embedded system, idle after the demo, in proportional set size (Linux). */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { startProcess } from '../test/support/processes.ts'
import { pssMb, usageOf } from './process-tree.ts'

const CLI = fileURLToPath(new URL('../cli/main.js', import.meta.url))
/** Threads without work end after a minute. */
const IDLE_MS = 75_000

export const benchIdle = async (): Promise<Record<string, number>> => {
  const folder = await mkdtemp(join(tmpdir(), 'vigia-idle-'))
  const start = performance.now()
  const demo = startProcess(CLI, {
    args: ['demo'],
    cwd: folder,
    env: { VIGIA_HOME: join(folder, 'home'), MODELS_STORAGE_PATH: join(folder, 'models'), PORT: '0' },
  })
  try {
    await demo.line(/vigia stays up/)
    const findingsS = (performance.now() - start) / 1000
    const busy = pssMb([demo.pid])
    await delay(IDLE_MS)
    return {
      start_to_findings_s: Number(findingsS.toFixed(2)),
      pss_mb_right_after: Math.round(busy),
      pss_mb_idle: Math.round(pssMb([demo.pid])),
      processes: usageOf([demo.pid]).processes,
    }
  } finally {
    await demo.end('SIGTERM')
    await rm(folder, { recursive: true, force: true })
  }
}
