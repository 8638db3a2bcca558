import type { FigureName } from './figures.ts'
import type { Origins } from './origins.ts'

export interface Shift {
  readonly day: number
  /** Index among the entities. */
  readonly entity: number
  readonly figure: FigureName | 'joint'
  /** Signed deviate: how rare. */
  readonly deviate: number
  /** Days it is seen over, the last of them `day`. */
  readonly window: number
  /** Log of observed / expected over the window, of the figure as it is kept; 0 for joint. */
  readonly size: number
  /** Whether it costs. */
  readonly bad: boolean
  /** Joint: squared deviate of each figure as a share of their sum. */
  readonly shares: Readonly<Partial<Record<FigureName, number>>> | null
  /** How far each child's total was from what it promised over the window; empty for who has none, and joint. */
  readonly parts: readonly Part[]
  /** What each entity of its campaign explains of the days odd so far; null of shifts for the better. */
  readonly origins: Origins | null
}

/** Before it is known where it began. */
export interface FoundShift extends Omit<Shift, 'origins'> {
  /** Place of its entity in the tree. */
  readonly at: number
}

/** A child's part of a shift, in the unit of the total: money, events, impressions, people. */
export interface Part {
  readonly entity: number
  readonly gap: number
  readonly promised: number
}
