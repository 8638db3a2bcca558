/**
 * Settings a replay may try instead of those in service; the bounds are those of the settings. A name that is none is
 * refused: the report would be one of the settings in service.
 */
import { z } from 'zod'
import type { Config } from '../config.ts'

export const ReplayOverrides = z.strictObject({
  z_threshold: z.number().min(0.1).max(100).optional().describe('Instead of ANOMALY_Z_THRESHOLD'),
  iqr_multiplier: z.number().min(0.1).max(100).optional().describe('Instead of ANOMALY_IQR_MULTIPLIER'),
  contamination: z
    .number()
    .min(0.0001)
    .max(0.5)
    .optional()
    .describe('Instead of ISOLATION_FOREST_CONTAMINATION'),
  fdr_q: z.number().min(0.0001).max(1).optional().describe('Instead of ANOMALY_FDR_Q'),
})
export type ReplayOverrides = z.output<typeof ReplayOverrides>

export const withOverrides = (config: Config, overrides: ReplayOverrides): Config => ({
  ...config,
  ANOMALY_Z_THRESHOLD: overrides.z_threshold ?? config.ANOMALY_Z_THRESHOLD,
  ANOMALY_IQR_MULTIPLIER: overrides.iqr_multiplier ?? config.ANOMALY_IQR_MULTIPLIER,
  ISOLATION_FOREST_CONTAMINATION: overrides.contamination ?? config.ISOLATION_FOREST_CONTAMINATION,
  ANOMALY_FDR_Q: overrides.fdr_q ?? config.ANOMALY_FDR_Q,
})
