/**
 * How rare a figure has to be. Thresholds are deviates of one test, not of a whole account: the rate of false findings
 * per entity hardly depends on how many entities there are.
 */
import type { Tail } from './calibration.ts'
import { FIGURE_COUNT, FIGURE_TABLE, SPEND } from './figures.ts'
import type { Figure } from './figures.ts'
import { deviateAtRate, jointBound } from './tails.ts'
import { WINDOWS } from './windows.ts'
import type { Windows } from './windows.ts'

export interface ShiftParams {
  /** Deviate from which a figure without leads has shifted. */
  readonly threshold: number
  /** Of money that leaps from one day to the next: of which nobody wants to hear a day later, once it is surer. */
  readonly leapThreshold: number
  /** Of figures that count leads, where many are expected: every day of waiting costs some. */
  readonly leadsThreshold: number
  /** Of figures that count leads, where few are expected. */
  readonly fewLeadsThreshold: number
  /** Of shifts for the better, which nobody needs to be woken for. */
  readonly goodThreshold: number
  /** Of all independent figures together. */
  readonly jointThreshold: number
  /** What another figure has to show for one of leads to count. */
  readonly witness: number
}

/** Chosen on simulated accounts (bench/quality), reported on others. */
export const defaultShiftParams: ShiftParams = {
  threshold: 4.2,
  leapThreshold: 3.3,
  leadsThreshold: 3.1,
  fewLeadsThreshold: 3.6,
  goodThreshold: 4.3,
  jointThreshold: 3.4,
  witness: 2.8,
}

/** The false discovery rate the thresholds stand for (ads-domain section 11, ANOMALY_FDR_Q). */
const DEFAULT_FDR = 0.1

/** Thresholds at another rate of false findings: half the rate, half as many by chance. */
export const shiftParamsAt = (fdr: number): ShiftParams => {
  const at = (deviate: number): number =>
    fdr === DEFAULT_FDR ? deviate : deviateAtRate(deviate, fdr / DEFAULT_FDR)
  const {
    threshold,
    leapThreshold,
    leadsThreshold,
    fewLeadsThreshold,
    goodThreshold,
    jointThreshold,
    witness,
  } = defaultShiftParams
  return {
    threshold: at(threshold),
    leapThreshold: at(leapThreshold),
    leadsThreshold: at(leadsThreshold),
    fewLeadsThreshold: at(fewLeadsThreshold),
    goodThreshold: at(goodThreshold),
    jointThreshold: at(jointThreshold),
    witness,
  }
}

/** Growth or fall of a day's money, as a log, that is a leap. */
const LEAST_LEAP = 0.5
/** Entities of a small account, and what thresholds rise by when there are twice as many. */
const FEW_ENTITIES = 20
const SURER_PER_DOUBLING = 0.05
/** How often days are far out, against a normal distribution: as in most accounts, and where leaps are common. */
const LIGHT_TAIL = 0.7
const HEAVY_TAIL = 1.2
/** Expected a day: few leads, many leads. In between thresholds go with the log. */
const FEW_LEADS = 2
const MANY_LEADS = 8
/** Moves of a figure of leads, as a log, that many days give by chance and hardly any fault: they have to be surer. */
const SMALL_MOVE = 0.4
const SMALL_MOVE_SURPLUS = 0.8
/** Fewest independent figures that are tested together. */
export const FEWEST_TOGETHER = 3

/** @param share of the way from `low` to `high`; not beyond either */
const between = (low: number, high: number, share: number): number =>
  low + Math.max(0, Math.min(1, share)) * (high - low)

export class Thresholds {
  /** What no threshold of a figure is below. */
  readonly leasts: Float64Array
  /** By the number of figures that are tested together: squared deviates whose sum is not rare. */
  readonly quiet: Float64Array
  readonly #params: ShiftParams
  readonly #tail: Tail
  /** Asked for beyond every threshold but that of leaps, since many run: who reads has not more time for more. */
  #surer = Number.NaN

  constructor(params: ShiftParams, tail: Tail) {
    this.#params = params
    this.#tail = tail
    this.quiet = Float64Array.from({ length: FIGURE_COUNT }, (_, n) =>
      n >= FEWEST_TOGETHER ? jointBound(params.jointThreshold, n) : Infinity,
    )
    this.leasts = Float64Array.from(FIGURE_TABLE, ({ usesLeads, surplus }, j) => {
      const ordinary = (usesLeads ? params.leadsThreshold : params.threshold) + surplus
      return Math.min(j === SPEND ? params.leapThreshold : ordinary, params.goodThreshold)
    })
  }

  /** @param running entities of the day */
  begin(running: number): void {
    this.#surer = SURER_PER_DOUBLING * Math.max(0, Math.log2(running / FEW_ENTITIES))
  }

  get good(): number {
    return this.#params.goodThreshold
  }

  /** Of all independent figures together. */
  get joint(): number {
    return this.#params.jointThreshold + this.#surer
  }

  /** What another figure has to show for one of leads to count. */
  get witness(): number {
    return this.#params.witness
  }

  /** The deviate from which figure j has shifted to the worse over window w. */
  bad(windows: Windows, j: number, w: number): number {
    const { usesLeads, surplus } = FIGURE_TABLE[j] as Figure
    const size = Math.abs(windows.size(j, w))
    if (j === SPEND && w === 0 && size > LEAST_LEAP) return this.#leap()
    const more = surplus + this.#surer
    if (!usesLeads) return this.#params.threshold + more
    const perDay = (windows.expected[windows.at(j, w)] as number) / (WINDOWS[w] as number)
    const few = Math.log(MANY_LEADS / perDay) / Math.log(MANY_LEADS / FEW_LEADS)
    const { leadsThreshold: many, fewLeadsThreshold: most } = this.#params
    return between(many, most, few) + more + (size < SMALL_MOVE ? SMALL_MOVE_SURPLUS : 0)
  }

  /** Where money leaps now and then without a reason, a leap has to be surer. */
  #leap(): number {
    const heavy = (this.#tail.weight - LIGHT_TAIL) / (HEAVY_TAIL - LIGHT_TAIL)
    return between(this.#params.leapThreshold, this.#params.threshold, heavy)
  }
}
