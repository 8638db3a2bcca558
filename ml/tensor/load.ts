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

type Both = typeof Core & typeof Layers

/** Not installed on most machines, so no import a compiler would look for. */
const NATIVE: string = '@tensorflow/tfjs-node'

const isUsable = (module: Partial<Both> | undefined): module is Both =>
  typeof module?.sequential === 'function' && typeof module.tensor2d === 'function'

/**
 * @param name what to import
 * @returns null when it is not installed, cannot be loaded (without its library it throws when imported), or
 * does not offer what TensorFlow.js offers
 */
export const loadNative = async (name = NATIVE): Promise<Tensorflow | null> => {
  try {
    const module = (await import(name)) as Partial<Both> & { readonly default?: Partial<Both> }
    // CommonJS: Node finds the names of its exports by reading, `default` has them in any case.
    const both = [module, module.default].find(isUsable)
    return both ? { core: both, layers: both, backend: 'native' } : null
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

/**
 * Once per thread; what failed is tried again by the next call.
 * @param native whether to try the native build first; it does not load on Node 23 and newer
 */
export const loadTensorflow = (native: boolean): Promise<Tensorflow> =>
  (loaded ??= (async () => (native ? await loadNative() : null) ?? loadPure())().catch((error: unknown) => {
    loaded = undefined
    throw error
  }))
