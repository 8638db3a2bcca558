import { loadTensorflow } from '../../ml/tensor/load.ts'
import type { Tensorflow } from '../../ml/tensor/load.ts'

/** The native build does not load on newer ones. */
const NATIVE_UP_TO_NODE = 22

/** TensorFlow.js in the best form this Node can load. */
export const openTensorflow = (): Promise<Tensorflow> =>
  loadTensorflow(Number(process.versions.node.split('.')[0]) <= NATIVE_UP_TO_NODE)
