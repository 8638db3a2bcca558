/**
 * The optimiser of Prophet's model: Stan, compiled to WebAssembly. Its package reads its own modules while
 * it is imported, so it is imported only by those who are about to forecast.
 */
import type { optimizer as stanOptimizer } from '@bsull/augurs-prophet-wasmstan'

export type ProphetOptimizer = typeof stanOptimizer

/** Null when the package is missing or does not start. */
export const loadProphetOptimizer = async (): Promise<ProphetOptimizer | null> => {
  try {
    const { optimizer } = await import('@bsull/augurs-prophet-wasmstan')
    return optimizer
  } catch {
    return null
  }
}
