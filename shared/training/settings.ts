/** What the settings say of forests: those of training, and of whoever trains without keeping them. */
import type { Config } from '../config.ts'
import type { TrainingSettings } from './training.ts'

export const trainingSettings = (config: Config): TrainingSettings => ({
  useForests: config.USE_ISOLATION_FOREST,
  historyDays: config.ISOLATION_FOREST_HISTORY_DAYS,
  minSamples: config.ISOLATION_FOREST_MIN_SAMPLES,
  forest: {
    trees: config.ISOLATION_FOREST_TREES,
    contamination: config.ISOLATION_FOREST_CONTAMINATION,
    randomState: config.ISOLATION_FOREST_SEED,
  },
})
