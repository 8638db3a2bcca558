/**
 * TensorFlow.js, loaded when something is trained and not before. The native build is an accelerator that may
 * be absent: whatever goes wrong with it, the pure packages do the same work.
 */
import type * as Core from '@tensorflow/tfjs-core'
import type * as Layers from '@tensorflow/tfjs-layers'

export interface Tensorflow {
  readonly core: typeof Core
  readonly layers: typeof Layers
  /** `native` or `cpu`. */
  readonly backend: string
}

/** Not installed on most machines, so no import a compiler would look for. */
const NATIVE: string = '@tensorflow/tfjs-node'

const loadNative = async (): Promise<Tensorflow | null> => {
  try {
    const both = (await import(NATIVE)) as typeof Core & typeof Layers
    return { core: both, layers: both, backend: 'native' }
  } catch {
    return null
  }
}

const loadPure = async (): Promise<Tensorflow> => {
  const [core, layers] = await Promise.all([
    import('@tensorflow/tfjs-core'),
    import('@tensorflow/tfjs-layers'),
    import('@tensorflow/tfjs-backend-cpu'),
  ])
  // Without a word about the native build on every first use.
  core.enableProdMode()
  await core.setBackend('cpu')
  return { core, layers, backend: 'cpu' }
}

let loaded: Promise<Tensorflow> | undefined

/** @param native whether to try the native build first; it does not load on Node 23 and newer */
export const loadTensorflow = (native: boolean): Promise<Tensorflow> =>
  (loaded ??= (async () => (native ? await loadNative() : null) ?? loadPure())())
