/** Where the forecasting packages keep their WebAssembly: beside each entry, but not among what they export. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { WasmSubpath } from '../../ml/forecast/packages.ts'

/**
 * @param subpath an entry of @bsull/augurs, e.g. `ets`
 * @returns null when it is not there to be read: the models built on it are then left out
 */
export const readWasm = (subpath: WasmSubpath): Uint8Array | null => {
  try {
    const entry = fileURLToPath(import.meta.resolve(`@bsull/augurs/${subpath}`))
    return readFileSync(entry.replace(/\.js$/, '_bg.wasm'))
  } catch {
    return null
  }
}
