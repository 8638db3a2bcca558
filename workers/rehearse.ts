/**
 * What a check asks first, asked of an account that does not exist: the first jobs of a fresh worker find connections
 * open whose servers know the tables. They close again when nobody needs them.
 */
import type { Store } from '../shared/store.ts'

/** As many as the three levels of an account use at once to begin with. */
const CONNECTIONS = 7
/** No config has this id, no run the other. */
const NOBODY = 0
const NO_RUN = '00000000-0000-0000-0000-000000000000'

export const rehearse = async (store: Pick<Store, 'accounts' | 'detection' | 'freshness'>): Promise<void> => {
  const check = async (): Promise<void> => {
    const look = { job: 'detect.ad', configId: NOBODY, runId: NO_RUN }
    await store.detection.lateDays(look, { since: 0, from: 0, to: 0 })
    await store.freshness.arrivals(NOBODY, ['1970-01-01'])
    await store.accounts.stamp(NOBODY, 0, 0)
    await store.accounts.frames({ configId: NOBODY, campaigns: null, from: 0, to: 0, refFrom: 0 })
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, check))
}
