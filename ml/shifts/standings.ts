/** How the entities of an account fare: what is odd of each, for how long, and what was there before it lasted. */
import { FIGURE_COUNT } from './figures.ts'

export class Standings {
  // By entity.
  /** Days in a row that were odd. */
  readonly run: Int32Array
  /** Days that are odd together, the last of them that of the newest finding. */
  readonly span: Int32Array
  readonly lastOdd: Int32Array
  /** Days with delivery since the last without. */
  readonly delivered: Int32Array
  /** Days without delivery that are told of, up to yesterday. */
  readonly silent: Int32Array
  /** Log of the odds that what was odd yesterday goes on, never more than even. */
  readonly odds: Float64Array
  /** The last day on which a level before what has lasted is remembered of any figure; -1: there is none. */
  readonly rememberedUntil: Int32Array
  // By entity, then figure.
  /** Size of what was odd yesterday. */
  readonly sizes: Float64Array
  /** The same of the last odd day. */
  readonly told: Float64Array
  /** The last day on which the level before what has lasted is remembered; -1: there is none. */
  readonly formerUntil: Int32Array
  /** Log of the odds that a figure is back at that level rather than at the new one, never less than even. */
  readonly backOdds: Float64Array

  constructor(entities: number) {
    this.run = new Int32Array(entities)
    this.span = new Int32Array(entities)
    this.lastOdd = new Int32Array(entities).fill(-9)
    this.delivered = new Int32Array(entities)
    this.silent = new Int32Array(entities)
    this.odds = new Float64Array(entities).fill(Number.NaN)
    this.rememberedUntil = new Int32Array(entities).fill(-1)
    this.sizes = new Float64Array(entities * FIGURE_COUNT)
    this.told = new Float64Array(entities * FIGURE_COUNT)
    this.formerUntil = new Int32Array(entities * FIGURE_COUNT).fill(-1)
    this.backOdds = new Float64Array(entities * FIGURE_COUNT)
  }
}
