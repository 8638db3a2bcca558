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
  readonly zLeads: number
  readonly windows: readonly number[]
}
export const DEFAULTS: Settings = { z: 4.3, zJoint: 4.1, zLeads: 3.7, windows: [1, 2, 3, 5] }

const RANK = { ad: 0, adset: 1, campaign: 2 } as const
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
  /** What a child whose level is m is expected to add to the parent's total on day t. */
  readonly part: (x: PanelEntity, t: number, m: number) => number
  /** The parent's total; gaussian metrics compare its log with that of the parts. */
  readonly whole: (x: PanelEntity, t: number) => number
  readonly sign: 1 | -1
  readonly volume: boolean
  readonly usesLeads: boolean
}
const KINDS: readonly Kind[] = [
  { metric: 'spend', count: false, q: 0.03, sd0: 0.12, y: (x, t) => Math.log(x.spend[t]!) - x.budget[t]!, e: (x, t) => (x.spend[t]! > 0 ? 1 : NaN), part: (x, t, m) => Math.exp(m + x.budget[t]!), whole: (x, t) => x.spend[t]!, sign: 1, volume: true, usesLeads: false },
  { metric: 'cpm', count: false, q: 0.02, sd0: 0.07, y: (x, t) => Math.log(x.spend[t]! / x.impressions[t]!), e: (x, t) => (x.impressions[t]! >= 50 && x.spend[t]! > 0 ? 1 : NaN), part: (x, t, m) => x.spend[t]! / Math.exp(m), whole: (x, t) => x.impressions[t]!, sign: -1, volume: false, usesLeads: false },
  { metric: 'ctr', count: true, q: 0.02, sd0: 0.06, y: (x, t) => x.clicks[t]!, e: (x, t) => (x.impressions[t]! > 0 ? x.impressions[t]! : NaN), part: (x, t, m) => x.impressions[t]! * Math.exp(m), whole: (x, t) => x.clicks[t]!, sign: 1, volume: false, usesLeads: false },
  { metric: 'conversion_rate', count: true, q: 0.02, sd0: 0.12, y: (x, t) => x.leads[t]!, e: (x, t) => (x.clicks[t]! > 0 ? x.clicks[t]! : NaN), part: (x, t, m) => x.clicks[t]! * Math.exp(m), whole: (x, t) => x.leads[t]!, sign: 1, volume: false, usesLeads: true },
  { metric: 'cpl', count: true, q: 0.025, sd0: 0.15, y: (x, t) => x.leads[t]!, e: (x, t) => (x.spend[t]! > 0 ? x.spend[t]! : NaN), part: (x, t, m) => x.spend[t]! * Math.exp(m), whole: (x, t) => x.leads[t]!, sign: 1, volume: false, usesLeads: true },
  { metric: 'leads', count: true, q: 0.04, sd0: 0.2, y: (x, t) => x.leads[t]!, e: (x, t) => (x.spend[t]! > 0 ? Math.exp(x.budget[t]!) : NaN), part: (x, t, m) => Math.exp(m + x.budget[t]!), whole: (x, t) => x.leads[t]!, sign: 1, volume: true, usesLeads: true },
  { metric: 'frequency', count: false, q: 0.015, sd0: 0.06, y: (x, t) => Math.log(x.impressions[t]! / x.reach[t]!), e: (x, t) => (x.reach[t]! >= 30 ? 1 : NaN), part: (x, t, m) => x.impressions[t]! / Math.exp(m), whole: (x, t) => x.reach[t]!, sign: -1, volume: false, usesLeads: false },
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
  const rates = KINDS.map(() => ({ y: 0, e: 0 }))
  const phiNum = KINDS.map((kind) => 200 * kind.sd0 ** 2)
  const phiDen = KINDS.map(() => 200)

  const childrenOf: number[][] = entities.map(() => [])
  entities.forEach((x, i) => { if (x.parent >= 0) childrenOf[x.parent]!.push(i) })
  const order = entities.map((_, i) => i).sort((a, b) => RANK[entities[a]!.level] - RANK[entities[b]!.level])
  /** What the children of i promise for day t at their levels before day `from`, weekday apart, and the variance of its log. */
  const promise = { sum: 0, variance: 0 }
  const gather = (i: number, j: number, from: number, t: number, old: boolean): number => {
    const kind = KINDS[j]!
    let sum = 0
    for (const c of childrenOf[i]!) {
      const x = entities[c]!
      if (t < x.start || t > x.end) continue
      if (!kind.volume && !(kind.e(x, t) > 0)) continue
      const s = tracks[c]![j]!
      const at = Math.max(from, x.start)
      let m = s.mBefore[at]!
      let P = s.pBefore[at]!
      if (old && t <= s.oldUntil) { m = s.oldM; P = s.oldP }
      if (!Number.isFinite(m)) { m = s.m; P = s.P }
      if (!Number.isFinite(m)) continue
      // Levels of children that are themselves sums are corrections to what theirs promise.
      const inner = childrenOf[c]!.length > 0 ? gather(c, j, from, t, old) * Math.exp(kind.count || kind.sign === 1 ? m : -m) : kind.part(x, t, m)
      sum += inner
      promise.variance += inner * inner * P
    }
    return sum
  }
  const promised = (i: number, j: number, from: number, t: number, old = false): { sum: number; variance: number } => {
    promise.variance = 0
    const sum = gather(i, j, from, t, old)
    promise.sum = sum
    promise.variance = sum > 0 ? promise.variance / (sum * sum) : 1
    return promise
  }
  const descendants = (i: number): number[] => childrenOf[i]!.flatMap((c) => [c, ...descendants(c)])
  const states = entities.map(() => ({ run: 0, last: -9, shift: KINDS.map(() => 0) }))

  for (let t = 0; t < panel.volumeUntil; t++) {
    const effects = effectOf.map((value) => weekdayEffects(panel, t, value))
    const sigmas: Map<string, number[]>[] = KINDS.map(() => new Map([['campaign', []], ['adset', []], ['ad', []]]))
    for (const i of order) {
      const x = entities[i]!
      if (t < x.start || t > x.end) continue
      const parent = childrenOf[i]!.length > 0
      /** Observation (log or count), exposure and the variance of the exposure's log, of day d against levels before `from`. */
      const look = (j: number, from: number, d: number, old = false): { y: number; e: number; v: number } | null => {
        const kind = KINDS[j]!
        const s = tracks[i]![j]!
        if (!Number.isFinite(s.e[d]!)) return null
        if (!parent) return { y: s.y[d]!, e: s.e[d]!, v: 0 }
        const { sum, variance } = promised(i, j, from, d, old)
        const effect = effects[j]![d % 7]!
        const base = sum * Math.exp(kind.count || kind.volume ? effect : kind.sign * effect)
        if (!(base > 0)) return null
        return kind.count ? { y: kind.whole(x, d), e: base, v: variance } : { y: kind.sign * Math.log(kind.whole(x, d) / base), e: 1, v: variance }
      }
      /** z of the days [from, t] against level m of variance P. */
      const zOf = (j: number, from: number, m: number, P: number, old: boolean): { z: number; E: number; shift: number } | null => {
        const kind = KINDS[j]!
        const s = tracks[i]![j]!
        const phi = phiNum[j]! / phiDen[j]!
        if (kind.count) {
          let X = 0, E = 0, over = 0, V = 0
          for (let d = from; d <= t; d++) { const o = look(j, from, d, old); if (!o) continue; X += o.y; const mu = o.e * Math.exp(m); E += mu; over += mu * mu * phi; V += mu * Math.sqrt(o.v) }
          if (E <= 0) return null
          return { z: countZ(X, E, E + over + E * E * (Math.exp(P) - 1) + V * V), E, shift: Math.log((X + 0.25) / E) }
        }
        let sum = 0, n = 0, V = 0
        for (let d = from; d <= t; d++) { const o = look(j, from, d, old); if (o) { sum += o.y - m; n++; V += Math.sqrt(o.v) } }
        if (n === 0) return null
        return { z: tZ(sum / n / Math.sqrt(s.sigma2 / n + P + (V / n) ** 2), 10 + s.n), E: 0, shift: sum / n }
      }
      const zs: number[][] = []
      const best = KINDS.map(() => ({ z: 0, k: 0, old: NaN, shift: 0 }))
      const seenToday = KINDS.map(() => false)
      const state = states[i]!
      const running = state.last === t - 1
      let over = false
      KINDS.forEach((kind, j) => {
        const s = tracks[i]![j]!
        zs.push([])
        if (kind.usesLeads && t >= panel.leadsUntil) return
        const e0 = kind.e(x, t)
        if (kind.volume && x.mixed[t]) { s.P = Math.max(s.P, parent ? 0.15 ** 2 : 0.4 ** 2); s.floor = t }
        s.mBefore[t] = s.m
        s.pBefore[t] = s.P
        if (!Number.isFinite(e0)) { s.P = Math.min(1, s.P + kind.q ** 2); return }
        s.y[t] = kind.count ? kind.y(x, t) : kind.y(x, t) - effects[j]![t % 7]!
        s.e[t] = kind.count ? e0 * Math.exp(effects[j]![t % 7]!) : 1
        if (kind.volume && panel.holiday[t] === 1) { s.e[t] = NaN; return }
        if (s.seen === 0) {
          s.sigma2 = pooled[j]!.get(x.level)!
          if (parent) { s.m = 0; s.P = 0.1 ** 2 }
          else if (kind.count) {
            const up = !kind.volume ? (rates[j]!.e > 0 ? Math.log((rates[j]!.y + 0.5) / rates[j]!.e) : NaN) : NaN
            s.m = Number.isFinite(up) ? up : Math.log((s.y[t]! + 0.5) / s.e[t]!)
            s.P = Number.isFinite(up) ? 0.35 : 1
          } else { s.m = s.y[t]!; s.P = s.sigma2 }
          s.seen = 1
          s.mBefore[t] = s.m
          s.pBefore[t] = s.P
          if (!parent && !kind.count) return
        }
        seenToday[j] = true
        if (!kind.count) s.sigma2 = (s.ss + 10 * pooled[j]!.get(x.level)!) / (s.n + 10)
        if (s.seen < MIN_DAYS) return
        // Is what was odd yesterday over today?
        if (running && state.shift[j] !== 0) {
          const today = zOf(j, t, s.m, s.P, false)
          if (today) {
            const shift = state.shift[j]!
            const llr = kind.count ? today.E * (Math.exp(today.shift) * shift - Math.exp(shift) + 1) : (today.shift - shift / 2) * shift
            if (llr < 0) { s.floor = t; over = true }
          }
        }
        for (const k of settings.windows) {
          const from = t - k + 1
          if (from < s.floor || from < x.start) break
          const m = s.mBefore[from]!
          if (!Number.isFinite(m)) break
          const w = zOf(j, from, m, s.pBefore[from]! + (kind.q ** 2 * (k - 1)) / 3, false)
          if (!w) continue
          if (kind.usesLeads && k === 1 && w.E < 3) { zs[j]!.push(0); continue }
          zs[j]!.push(w.z)
          if (Math.abs(w.z) > Math.abs(best[j]!.z)) {
            best[j] = { z: w.z, k, old: NaN, shift: w.shift }
            if (Math.abs(w.z) > 3) {
              if (parent) { const o = zOf(j, from, m, s.pBefore[from]!, true); best[j]!.old = o ? o.z : NaN }
              else if (t <= s.oldUntil) { const o = zOf(j, from, s.oldM, s.oldP, false); best[j]!.old = o ? o.z : NaN }
            }
          }
        }
      })
      // What is odd today.
      let window = 0
      state.shift.fill(0)
      KINDS.forEach((kind, j) => {
        const { z, k, old, shift } = best[j]!
        if (Math.abs(z) <= (kind.usesLeads ? settings.zLeads : settings.z)) return
        const s = tracks[i]![j]!
        if (Math.abs(old) < 2.5) {
          for (const c of parent ? descendants(i) : [i]) {
            const o = tracks[c]![j]!
            if (t > o.oldUntil) continue
            o.m = o.oldM; o.P = o.oldP + 0.01; o.oldUntil = -1; o.floor = t + 1
            o.mBefore[t] = o.m; o.pBefore[t] = o.P
          }
          s.floor = t + 1
          seenToday[j] = false
          return
        }
        window = Math.max(window, k)
        state.shift[j] = shift
        found.push({ day: t, entity: i, metric: kind.metric, z, window: k })
      })
      if (window === 0 && !over) {
        let joint = 0, jointK = 0
        for (let w = 1; w < settings.windows.length; w++) {
          let T = 0, n = 0
          for (const j of [0, 1, 2, 3, 6]) { const z = zs[j]![w]; if (z !== undefined) { T += z * z; n++ } }
          if (n < 3) continue
          const z = -normalQuantile(Math.max(1 - chisquare(T, n), 1e-15), 0, 1)
          if (z > joint) { joint = z; jointK = settings.windows[w]! }
        }
        if (joint > settings.zJoint) {
          found.push({ day: t, entity: i, metric: 'multivariate', z: joint, window: jointK })
          window = jointK
          for (const j of [0, 1, 2, 3, 6]) {
            const from = t - jointK + 1
            const o = zOf(j, from, tracks[i]![j]!.mBefore[from]!, 0, false)
            if (o && seenToday[j]) state.shift[j] = o.shift
          }
        }
      }
      if (running && window === 0) for (const s of tracks[i]!) s.floor = Math.max(s.floor, t)
      if (window > 0) { state.run++; state.last = t } else state.run = 0
      const adopt = state.run >= ADOPT
      if (adopt) { state.run = 0; state.last = -9 }
      /** Takes the last days for the new level of entity c. */
      const settle = (c: number, j: number): void => {
        const kind = KINDS[j]!
        const s = tracks[c]![j]!
        const y = entities[c]!
        const phi = phiNum[j]! / phiDen[j]!
        const from = Math.max(y.start, t - ADOPT + 1)
        if (!Number.isFinite(s.mBefore[from]!)) return
        let X = 0, E = 0, n = 0
        for (let d = from; d <= t; d++) if (Number.isFinite(s.e[d]!)) { X += s.y[d]!; E += s.e[d]!; n++ }
        if (n === 0) return
        const m = s.mBefore[from]!
        const P = s.pBefore[from]!
        s.oldM = m; s.oldP = P + 0.005; s.oldUntil = t + 28
        if (kind.count) { s.m = Math.log((X + 1) / (E + 1 / Math.exp(m))); s.P = 1 / (X + 1) + phi / n }
        else { s.m = X / n; s.P = s.sigma2 / n }
        // It may still be on its way.
        s.P += (0.3 * (s.m - m)) ** 2
        s.floor = t + 1
      }
      KINDS.forEach((kind, j) => {
        const s = tracks[i]![j]!
        if (!seenToday[j]) return
        s.seen++
        if (window > 0) {
          const from = Math.max(x.start, s.floor, t - window + 1)
          if (adopt) {
            if (!parent) settle(i, j)
            else {
              for (const c of descendants(i)) if (childrenOf[c]!.length === 0 && t >= entities[c]!.start && t <= entities[c]!.end && tracks[c]![j]!.floor <= t) settle(c, j)
              s.P = Math.max(s.P, 0.08 ** 2)
              s.floor = t + 1
              for (const c of descendants(i)) tracks[c]![j]!.floor = t + 1
            }
          } else {
            const m = s.mBefore[from]!
            const P = s.pBefore[from]!
            if (!Number.isFinite(m)) return
            s.m = m; s.P = P + kind.q ** 2 * window
            for (let d = from; d <= t; d++) { s.mBefore[d] = m; s.pBefore[d] = P }
          }
          return
        }
        const o = look(j, t, t)
        s.P += (parent ? 0.3 : 1) * kind.q ** 2
        if (!o) return
        const phi = phiNum[j]! / phiDen[j]!
        if (kind.count) {
          const mu = o.e * Math.exp(s.m)
          const w = 1 / (1 + mu * (phi + o.v))
          const a = 1 / s.P
          const v = mu + mu * mu * (phi + s.P + o.v)
          const y = Math.min(o.y, mu + 4 * Math.sqrt(v) + 1)
          const a2 = a + w * y
          const b2 = a / Math.exp(s.m) + w * o.e
          if (s.seen >= MIN_DAYS && mu > 0 && !parent) {
            const gap = Math.min((o.y - mu) ** 2, 12 * v)
            const wt = (mu * mu) / (v * v)
            phiNum[j]! += wt * (gap - mu - mu * mu * s.P)
            phiDen[j]! += wt * mu * mu
            if (phiNum[j]! < 0.2 * kind.sd0 ** 2 * phiDen[j]!) phiNum[j] = 0.2 * kind.sd0 ** 2 * phiDen[j]!
          }
          if (!parent && !kind.volume) { rates[j]!.y = rates[j]!.y * 0.999 + o.y; rates[j]!.e = rates[j]!.e * 0.999 + o.e }
          s.m = Math.log(a2 / b2)
          s.P = Math.min(1, 1 / a2)
        } else {
          const v = s.sigma2 + s.P + o.v
          const gap = Math.max(-3 * Math.sqrt(v), Math.min(3 * Math.sqrt(v), o.y - s.m))
          if (s.seen >= 3) {
            s.ss = 0.98 * s.ss + (gap * gap * s.sigma2) / v
            s.n = 0.98 * s.n + 1
          }
          const K = s.P / v
          s.m += K * gap
          s.P *= 1 - K
          if (s.n > 7) sigmas[j]!.get(x.level)!.push(s.ss / s.n)
        }
      })
    }
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
