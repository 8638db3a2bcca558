/** The forecasting packages with their modules from disk, opened by the first forecast of a thread. */
import { openForecastPackages } from '../../ml/forecast/packages.ts'
import type { ForecastPackages } from '../../ml/forecast/packages.ts'
import { loadProphetOptimizer } from '../../ml/forecast/prophet-optimizer.ts'
import type { ProphetOptimizer } from '../../ml/forecast/prophet-optimizer.ts'
import { readWasm } from './wasm.ts'

/** @returns puts it back as it was */
const silence = (stream: NodeJS.WriteStream): (() => void) => {
  const own = Object.getOwnPropertyDescriptor(stream, 'write')
  Object.defineProperty(stream, 'write', { value: () => true, configurable: true })
  return () => {
    if (own) Object.defineProperty(stream, 'write', own)
    else Reflect.deleteProperty(stream, 'write')
  }
}

/**
 * Stan writes of every fit it gives up to where a command's answer and a process's log go. Such a fit costs its
 * model, and is no news. Nobody else can write meanwhile: a fit holds the thread.
 */
export const quietly = (optimizer: ProphetOptimizer): ProphetOptimizer => ({
  ...optimizer,
  optimize: (...fit) => {
    const restore = [process.stdout, process.stderr].map(silence)
    try {
      return optimizer.optimize(...fit)
    } finally {
      for (const one of restore) one()
    }
  },
})

const open = async (): Promise<ForecastPackages> => {
  const optimizer = await loadProphetOptimizer()
  return openForecastPackages(readWasm, optimizer && quietly(optimizer))
}

let opened: Promise<ForecastPackages> | undefined

/** The same packages for every caller in this thread. */
export const openPackages = (): Promise<ForecastPackages> => (opened ??= open())
