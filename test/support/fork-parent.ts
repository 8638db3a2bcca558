/** A process with a fork that works for minutes; writes the fork's pid, and waits to be killed. */
import { createForkPool } from '../../shared/compute/forks.ts'
import { eventually } from './eventually.ts'
import { longFit } from './series-fits.ts'

const pool = createForkPool({ forks: 1 })
void pool.run('fitSeries', longFit())
const [pid] = await eventually('a fork', () => (pool.alive().length > 0 ? pool.alive() : null))
process.stdout.write(`fork ${pid}\n`)
