/** Research version: judges the days of an account's entities by local levels, and windows against them. */
import chisquare from '@stdlib/stats-base-dists-chisquare-cdf'
import negativeBinomial from '@stdlib/stats-base-dists-negative-binomial-cdf'
import normalCdf from '@stdlib/stats-base-dists-normal-cdf'
import normalQuantile from '@stdlib/stats-base-dists-normal-quantile'
import studentCdf from '@stdlib/stats-base-dists-t-cdf'

export interface PanelEntity {
  readonly id: string
  readonly level: 'campaign' | 'adset' | 'ad'
  readonly parent: number
  readonly start: number
  readonly end: number
  readonly spend: Float64Array
  readonly impressions: Float64Array
  readonly clicks: Float64Array
  readonly leads: Float64Array
  readonly reach: Float64Array
  /** log of the known budget factor up to that day. */
  readonly budget: Float64Array
  /** 1 on days on which something in its ad set or below it started or ended. */
  readonly mixed: Uint8Array
}
export interface Panel {
  readonly days: number
  readonly entities: readonly PanelEntity[]
  readonly holiday: Uint8Array
  /** From this day on leads are still arriving. */
  readonly leadsUntil: number
  /** Days that are complete. */
  readonly volumeUntil: number
}

export const METRICS = ['spend', 'cpm', 'ctr', 'conversion_rate', 'cpl', 'leads', 'frequency', 'multivariate'] as const
export type GateMetric = (typeof METRICS)[number]

export interface Found {
  readonly day: number
  readonly entity: number
  readonly metric: GateMetric
  readonly z: number
  readonly window: number
}

export interface Settings {
  readonly z: number
  readonly zJoint: number
  readonly windows: readonly number[]
}
export const DEFAULTS: Settings = { z: 4.1, zJoint: 4.1, windows: [1, 2, 3, 5] }

const ADOPT = 5
const MIN_DAYS = 7

/** Two tails as one signed z. */
const signedZ = (lower: number, upper: number): number =>
  lower < upper ? normalQuantile(Math.max(lower, 1e-15), 0, 1) : -normalQuantile(Math.max(upper, 1e-15), 0, 1)

const tZ = (x: number, df: number): number => {
  const p = studentCdf(-Math.abs(x), df)
  return -Math.sign(x) * normalQuantile(Math.max(p, 1e-15), 0, 1)
}

const countZ = (x: number, mean: number, variance: number): number => {
  const r = (mean * mean) / Math.max(variance - mean, mean * 1e-6)
  const p = r / (r + mean)
  const below = x > 0 ? negativeBinomial(x - 1, r, p) : 0
  const upTo = negativeBinomial(x, r, p)
  return signedZ(upTo, 1 - below)
}

interface Track {
  m: number
  P: number
  seen: number
  /** State before each day. */
  readonly mBefore: Float64Array
  readonly pBefore: Float64Array
  /** Noise of gaussian metrics. */
  ss: number
  n: number
  sigma2: number
  run: number
  floor: number
  oldM: number
  oldP: number
  oldUntil: number
  /** Observation, exposure of each day. */
  readonly y: Float64Array
  readonly e: Float64Array
}
const track = (days: number): Track => ({
  m: NaN, P: 1, seen: 0, mBefore: new Float64Array(days + 1), pBefore: new Float64Array(days + 1),
  ss: 0, n: 0, sigma2: NaN, run: 0, floor: 0, oldM: NaN, oldP: 0, oldUntil: -1,
  y: new Float64Array(days).fill(NaN), e: new Float64Array(days).fill(NaN),
})

interface Kind {
  readonly metric: GateMetric
  readonly count: boolean
  /** Day-to-day drift of the level, sd of log. */
  readonly q: number
  readonly sd0: number
  readonly y: (x: PanelEntity, t: number) => number
  readonly e: (x: PanelEntity, t: number) => number
  readonly volume: boolean
  readonly usesLeads: boolean
}
const KINDS: readonly Kind[] = [
  { metric: 'spend', count: false, q: 0.03, sd0: 0.12, y: (x, t) => Math.log(x.spend[t]!) - x.budget[t]!, e: (x, t) => (x.spend[t]! > 0 ? 1 : NaN), volume: true, usesLeads: false },
  { metric: 'cpm', count: false, q: 0.02, sd0: 0.07, y: (x, t) => Math.log(x.spend[t]! / x.impressions[t]!), e: (x, t) => (x.impressions[t]! >= 50 && x.spend[t]! > 0 ? 1 : NaN), volume: false, usesLeads: false },
  { metric: 'ctr', count: true, q: 0.02, sd0: 0.06, y: (x, t) => x.clicks[t]!, e: (x, t) => (x.impressions[t]! > 0 ? x.impressions[t]! : NaN), volume: false, usesLeads: false },
  { metric: 'conversion_rate', count: true, q: 0.02, sd0: 0.12, y: (x, t) => x.leads[t]!, e: (x, t) => (x.clicks[t]! > 0 ? x.clicks[t]! : NaN), volume: false, usesLeads: true },
  { metric: 'cpl', count: true, q: 0.025, sd0: 0.15, y: (x, t) => x.leads[t]!, e: (x, t) => (x.spend[t]! > 0 ? x.spend[t]! : NaN), volume: false, usesLeads: true },
  { metric: 'leads', count: true, q: 0.04, sd0: 0.2, y: (x, t) => x.leads[t]!, e: (x, t) => (x.spend[t]! > 0 ? Math.exp(x.budget[t]!) : NaN), volume: true, usesLeads: true },
  { metric: 'frequency', count: false, q: 0.015, sd0: 0.06, y: (x, t) => Math.log(x.impressions[t]! / x.reach[t]!), e: (x, t) => (x.reach[t]! >= 30 ? 1 : NaN), volume: false, usesLeads: false },
]

/** Weekday effect of one metric over the whole account, as logs, from the days before t. */
const weekdayEffects = (panel: Panel, t: number, value: (i: number) => number): Float64Array => {
  const from = Math.max(3, t - 84)
  const sums = new Float64Array(7)
  const n = new Float64Array(7)
  const all: number[][] = Array.from({ length: 7 }, () => [])
  for (let d = from; d < t - 3; d++) {
    if (panel.holiday[d]) continue
    let mean = 0
    let k = 0
    for (let i = d - 3; i <= d + 3; i++) { const v = value(i); if (Number.isFinite(v) && !panel.holiday[i]) { mean += v; k++ } }
    const v = value(d)
    if (k < 6 || !Number.isFinite(v)) continue
    all[d % 7]!.push(v - mean / k)
  }
  all.forEach((values, w) => {
    values.sort((a, b) => a - b)
    const cut = Math.floor(values.length / 5)
    for (const v of values.slice(cut, values.length - cut)) { sums[w]! += v; n[w]!++ }
  })
  const effect = new Float64Array(7)
  for (let w = 0; w < 7; w++) effect[w] = n[w]! > 0 ? (sums[w]! / n[w]!) * (n[w]! / (n[w]! + 1)) : 0
  const mean = effect.reduce((a, b) => a + b, 0) / 7
  return effect.map((x) => x - mean)
}

export const judgePanel = (panel: Panel, settings: Settings = DEFAULTS): Found[] => {
  const { days, entities } = panel
  const tracks = entities.map(() => KINDS.map(() => track(days)))
  const found: Found[] = []
  // Sums over the ads, for weekday effects.
  const totals = { spend: new Float64Array(days), impressions: new Float64Array(days), clicks: new Float64Array(days), leads: new Float64Array(days) }
  for (const x of entities) {
    if (x.level !== 'ad') continue
    for (let t = 0; t < days; t++)
      if (x.spend[t]! > 0) { totals.spend[t]! += x.spend[t]!; totals.impressions[t]! += x.impressions[t]!; totals.clicks[t]! += x.clicks[t]!; totals.leads[t]! += x.leads[t]! }
  }
  const effectOf: ((i: number) => number)[] = [
    (i) => Math.log(totals.spend[i]!),
    (i) => Math.log(totals.spend[i]! / totals.impressions[i]!),
    (i) => Math.log((totals.clicks[i]! + 0.5) / totals.impressions[i]!),
    (i) => Math.log((totals.leads[i]! + 0.5) / totals.clicks[i]!),
    (i) => Math.log((totals.leads[i]! + 0.5) / totals.spend[i]!),
    (i) => Math.log(totals.leads[i]! + 0.5),
    () => 0,
  ]
  /** Pooled noise per level and kind. */
  const pooled = KINDS.map((kind) => new Map([['campaign', kind.sd0 ** 2], ['adset', kind.sd0 ** 2], ['ad', kind.sd0 ** 2]]))
  const phiNum = KINDS.map((kind) => 200 * kind.sd0 ** 2)
  const phiDen = KINDS.map(() => 200)

  for (let t = 0; t < panel.volumeUntil; t++) {
    const effects = effectOf.map((value) => weekdayEffects(panel, t, value)[t % 7]!)
    const sigmas: Map<string, number[]>[] = KINDS.map(() => new Map([['campaign', []], ['adset', []], ['ad', []]]))
    entities.forEach((x, i) => {
      if (t < x.start || t > x.end) return
      const zs: number[][] = [] // per kind, per window
      let flaggedAny = false
      KINDS.forEach((kind, j) => {
        const s = tracks[i]![j]!
        zs.push([])
        if (kind.usesLeads && t >= panel.leadsUntil) return
        const phi = phiNum[j]! / phiDen[j]!
        const e0 = kind.e(x, t)
        s.mBefore[t] = s.m
        s.pBefore[t] = s.P
        if (!Number.isFinite(e0)) { s.P = Math.min(1, s.P + kind.q ** 2); return }
        const holiday = kind.volume && panel.holiday[t] === 1
        s.y[t] = kind.count ? kind.y(x, t) : kind.y(x, t) - effects[j]!
        s.e[t] = kind.count ? e0 * Math.exp(effects[j]!) : 1
        if (holiday) { s.e[t] = NaN; return }
        if (kind.volume && x.mixed[t]) { s.P = Math.max(s.P, 0.35 ** 2); s.pBefore[t] = s.P; s.floor = t; }
        if (s.seen === 0) {
          if (kind.count) {
            // Prior: the parent's rate, else its own first day.
            const up = x.parent >= 0 && !kind.volume ? tracks[x.parent]![j]!.m : NaN
            s.m = Number.isFinite(up) ? up : Math.log((s.y[t]! + 0.5) / s.e[t]!)
            s.P = Number.isFinite(up) ? 0.35 : 1
          } else { s.m = s.y[t]!; s.P = 1 }
          s.seen = 1
          s.sigma2 = pooled[j]!.get(x.level)!
          if (!kind.count) { s.P = s.sigma2; return }
        }
        if (!kind.count) s.sigma2 = (s.ss + 10 * pooled[j]!.get(x.level)!) / (s.n + 10)
        const df = 10 + s.n
        // Windows.
        let best = 0
        let bestK = 0
        let bestOld = 0
        if (s.seen >= MIN_DAYS) {
          for (const k of settings.windows) {
            const from = t - k + 1
            if (from < s.floor) break
            const m = s.mBefore[from]!
            if (!Number.isFinite(m)) break
            const P = s.pBefore[from]! + (kind.q ** 2 * (k - 1)) / 3
            let z = 0
            let zOld = NaN
            if (kind.count) {
              let X = 0, E = 0, over = 0
              for (let d = from; d <= t; d++) if (Number.isFinite(s.e[d]!)) { X += s.y[d]!; const mu = s.e[d]! * Math.exp(m); E += mu; over += mu * mu * phi }
              if (E <= 0) continue
              if (kind.usesLeads && k === 1 && E < 3) { zs[j]!.push(0); continue }
              z = countZ(X, E, E + over + E * E * (Math.exp(P) - 1))
              if (t <= s.oldUntil) { const f = Math.exp(s.oldM - m); zOld = countZ(X, E * f, E * f + over * f * f + (E * f) ** 2 * s.oldP) }
            } else {
              let sum = 0, n = 0
              for (let d = from; d <= t; d++) if (Number.isFinite(s.e[d]!)) { sum += s.y[d]! - m; n++ }
              if (n === 0) continue
              z = tZ(sum / n / Math.sqrt(s.sigma2 / n + P), df)
              if (t <= s.oldUntil) zOld = (sum / n + m - s.oldM) / Math.sqrt(s.sigma2 / n + s.oldP)
            }
            zs[j]!.push(z)
            if (Math.abs(z) > Math.abs(best)) { best = z; bestK = k; bestOld = zOld }
          }
        }
        const flagged = Math.abs(best) > settings.z
        if (flagged && Math.abs(bestOld) < 2.5) {
          // Back at the level before the last one.
          s.m = s.oldM; s.P = s.oldP + 0.01; s.oldUntil = -1; s.run = 0; s.floor = t + 1
          return
        }
        if (flagged) {
          s.run++
          flaggedAny = true
          found.push({ day: t, entity: i, metric: kind.metric, z: best, window: bestK })
          const from = t - bestK + 1
          const m = s.mBefore[from]!
          const P = s.pBefore[from]!
          if (s.run >= ADOPT) {
            s.oldM = m; s.oldP = P + 0.005; s.oldUntil = t + 28
            let X = 0, E = 0, n = 0
            for (let d = t - ADOPT + 1; d <= t; d++) if (Number.isFinite(s.e[d]!)) { X += s.y[d]!; E += s.e[d]!; n++ }
            if (kind.count) { s.m = Math.log((X + 0.5) / E); s.P = 1 / (X + 0.5) + phi / n }
            else { s.m = X / n; s.P = s.sigma2 / n }
            s.floor = t + 1
            s.run = 0
          } else {
            s.m = m; s.P = P + kind.q ** 2 * bestK
            for (let d = from; d <= t; d++) { s.mBefore[d] = m; s.pBefore[d] = P }
          }
          s.seen++
          return
        }
        s.run = 0
        // Learn.
        s.P += kind.q ** 2
        if (kind.count) {
          const mu = s.e[t]! * Math.exp(s.m)
          const w = 1 / (1 + mu * phi)
          const a = 1 / s.P
          const v = mu + mu * mu * (phi + s.P)
          const y = Math.min(s.y[t]!, mu + 4 * Math.sqrt(v) + 1)
          const a2 = a + w * y
          const b2 = a / Math.exp(s.m) + w * s.e[t]!
          if (s.seen >= MIN_DAYS && mu > 0) {
            const gap = Math.min((s.y[t]! - mu) ** 2, 12 * v)
            const wt = (mu * mu) / (v * v)
            phiNum[j]! += wt * (gap - mu - mu * mu * s.P) * 1
            phiDen[j]! += wt * mu * mu
            if (phiNum[j]! < 0.2 * kind.sd0 ** 2 * phiDen[j]!) phiNum[j] = 0.2 * kind.sd0 ** 2 * phiDen[j]!
          }
          s.m = Math.log(a2 / b2)
          s.P = Math.min(1, 1 / a2)
        } else {
          const v = s.sigma2 + s.P
          const gap = Math.max(-3 * Math.sqrt(v), Math.min(3 * Math.sqrt(v), s.y[t]! - s.m))
          if (s.seen >= 3) {
            s.ss = 0.98 * s.ss + (gap * gap * s.sigma2) / v
            s.n = 0.98 * s.n + 1
          }
          const K = s.P / v
          s.m += K * gap
          s.P *= 1 - K
        }
        s.seen++
        if (!kind.count && s.n > 7) sigmas[j]!.get(x.level)!.push(s.ss / s.n)
      })
      // Joint: spend, cpm, ctr, conversion rate, frequency together.
      if (!flaggedAny) {
        let best = 0, bestK = 0
        for (let w = 1; w < settings.windows.length; w++) {
          let T = 0, n = 0
          for (const j of [0, 1, 2, 3, 6]) { const z = zs[j]![w]; if (z !== undefined) { T += z * z; n++ } }
          if (n < 3) continue
          const p = 1 - chisquare(T, n)
          const z = -normalQuantile(Math.max(p, 1e-15), 0, 1)
          if (z > best) { best = z; bestK = settings.windows[w]! }
        }
        if (best > settings.zJoint) found.push({ day: t, entity: i, metric: 'multivariate', z: best, window: bestK })
      }
    })
    KINDS.forEach((_, j) => {
      for (const [level, values] of sigmas[j]!) {
        if (values.length === 0) continue
        values.sort((a, b) => a - b)
        const now = pooled[j]!.get(level)!
        pooled[j]!.set(level, 0.8 * now + 0.2 * values[values.length >> 1]!)
      }
    })
  }
  return found
}
export { normalCdf }
