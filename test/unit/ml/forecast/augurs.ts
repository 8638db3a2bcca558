/** The real packages, their modules read from the installed files. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import {
  type ForecastPackages,
  openForecastPackages,
  type WasmSubpath,
} from '../../../../ml/forecast/packages.ts'
import { loadProphetOptimizer } from '../../../../ml/forecast/prophet-optimizer.ts'

export const wasmBytes = (subpath: WasmSubpath): Uint8Array => {
  // The package exports its scripts only; the module lies beside the script.
  const script = fileURLToPath(import.meta.resolve(`@bsull/augurs/${subpath}`))
  return readFileSync(script.replace(/\.js$/, '_bg.wasm'))
}

export const openAugurs = async (): Promise<ForecastPackages> =>
  openForecastPackages(wasmBytes, await loadProphetOptimizer())
