/** The forecasting packages with their modules from disk, opened by the first forecast of a thread. */
import { openForecastPackages } from '../../ml/forecast/packages.ts'
import type { ForecastPackages } from '../../ml/forecast/packages.ts'
import { loadProphetOptimizer } from '../../ml/forecast/prophet-optimizer.ts'
import { readWasm } from './wasm.ts'

let opened: Promise<ForecastPackages> | undefined

/** The same packages for every caller in this thread. */
export const openPackages = (): Promise<ForecastPackages> =>
  (opened ??= loadProphetOptimizer().then((optimizer) => openForecastPackages(readWasm, optimizer)))
