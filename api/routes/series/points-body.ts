/** The JSON forms of bodies with points, for the documentation: `read-points.ts` reads and checks them. */
import { z } from 'zod'
import { SERIES_FAMILIES } from '../../../ml/series/member.ts'
import { SERIES_PLANS } from '../../../shared/series/series.ts'

const Value = z.union([z.number(), z.array(z.number())])

const Rows = z
  .array(z.object({ timestamp: z.int() }).catchall(Value))
  .describe('A row per point: its time and a value per channel; of a waveform an array per channel')

const Points = z.object({
  points: Rows.optional(),
  timestamps: z.array(z.int()).optional().describe('Instead of points: columns'),
  values: z.array(Value).optional().describe('Of the only channel'),
  channels: z.record(z.string(), z.array(Value)).optional().describe('By channel'),
  timestamp_unit: z.enum(['s', 'ms']).optional(),
})

const Model = z.union([
  z.enum(SERIES_FAMILIES),
  z.object({
    name: z.string().optional(),
    family: z.enum(SERIES_FAMILIES),
    channels: z.array(z.string()).optional(),
    params: z.record(z.string(), z.number()).optional(),
  }),
])

const Context = z
  .union([Rows, Points])
  .describe('Rows before the points: judged by, not judged; at most 4,096')

export const PredictionBody = Points.extend({
  timestamp: z.int().optional().describe('A single point: its time, and a value per channel beside it'),
  models: z
    .union([z.literal('all'), z.array(z.string())])
    .optional()
    .describe('Default: the primary'),
  context: Context.optional(),
}).meta({ id: 'SeriesPredictionBody' })

export const TrainingBody = Points.extend({
  models: z.array(Model).max(64).optional().describe('The first is primary; default SERIES_MODELS'),
  history_days: z.number().optional().describe('Keep the last so many days only'),
  rollout: z.enum(SERIES_PLANS).optional().describe('hold: publish without serving'),
  tags: z.record(z.string(), z.string()).optional(),
}).meta({ id: 'SeriesTrainingBody' })
