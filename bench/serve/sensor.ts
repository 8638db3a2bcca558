/**
 * Two weeks of a pump, a reading every five minutes, with two faults: a bearing that runs hot for three hours, and a
 * pressure that drops for forty minutes. The file of the demo comes from here:
 * `node dist/bench/serve/sensor.js > cli/demo/data/pump.csv`.
 */
import { fileURLToPath } from 'node:url'
import { normal, randomOf } from '../random.ts'

const START_MS = Date.UTC(2026, 9, 1)
const STEP_MS = 300_000
const DAY_STEPS = 288
export const SENSOR_ROWS = 14 * DAY_STEPS
/** Rows, both inclusive. */
export const HOT = [2900, 2935] as const
export const LOW = [3600, 3607] as const

export interface Reading {
  readonly timeMs: number
  readonly temperature: number
  readonly pressure: number
}

const within = (row: number, [from, to]: readonly [number, number]): boolean => row >= from && row <= to

export const sensorReadings = (seed = 7): Reading[] => {
  const random = randomOf(seed, 1, 0)
  return Array.from({ length: SENSOR_ROWS }, (_, row) => {
    const day = Math.sin((2 * Math.PI * row) / DAY_STEPS)
    const load = Math.floor(row / 36) % 2 === 0 ? 1 : 0.6
    return {
      timeMs: START_MS + row * STEP_MS,
      temperature: 48 + 4 * day + 3 * load + 0.4 * normal(random) + (within(row, HOT) ? 11 : 0),
      pressure: 6.2 + 0.5 * load + 0.05 * normal(random) - (within(row, LOW) ? 2.4 : 0),
    }
  })
}

export const sensorCsv = (readings: readonly Reading[]): string =>
  [
    'time,temperature_c,pressure_bar',
    ...readings.map(
      ({ timeMs, temperature, pressure }) =>
        `${new Date(timeMs).toISOString().slice(0, 19).replace('T', ' ')},${temperature.toFixed(2)},${pressure.toFixed(3)}`,
    ),
    '',
  ].join('\n')

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(sensorCsv(sensorReadings()))
