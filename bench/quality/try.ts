import { defaultShiftParams, findShifts } from '../../ml/shifts/judge.ts'
import { toPanel } from './panel.ts'
import { simulateAccount } from './simulate.ts'

const z = Number(process.argv[2] ?? defaultShiftParams.threshold)
const zJoint = Number(process.argv[3] ?? z)
const zLeads = Number(process.argv[7] ?? defaultShiftParams.leadsThreshold)
const seed = Number(process.argv[4] ?? 1)
const accounts = Number(process.argv[5] ?? 10)
let entityDays = 0
let falseEpisodes = 0
let trueEpisodes = 0
const falseBy = new Map<string, number>()
const stat = new Map<
  string,
  { n: number; found: number; delay: number; clear: number; clearFound: number; fit: number }
>()
for (const clean of [true, false]) {
  let cleanFalse = 0,
    cleanDays = 0
  for (let index = 0; index < accounts; index++) {
    const account = simulateAccount({
      seed,
      index,
      days: 120,
      weekdayAmplitude: [0.1, 0.25, 0.4][index % 3]!,
      leadsPerAd: [1, 4, 12][index % 3]!,
      campaigns: 3,
      faults: clean ? 0 : 8,
      partialEnd: true,
    })
    const panel = toPanel(account, true)
    const found = findShifts(panel, {
      ...defaultShiftParams,
      threshold: z,
      jointThreshold: zJoint,
      leadsThreshold: zLeads,
      witness: Number(process.argv[8] ?? 2.5),
    }).filter((f) => f.bad)
    const FROM = 28
    const ancestors = (i: number): Set<number> => {
      const s = new Set<number>()
      for (let p = i; p >= 0; p = panel.entities[p]!.parent) s.add(p)
      return s
    }
    const related = (i: number, label: { entityId: string; level: string }): boolean => {
      const j = panel.entities.findIndex((e) => e.id === label.entityId && e.level === label.level)
      return ancestors(i).has(j) || ancestors(j).has(i)
    }
    panel.entities.forEach((e, i) => {
      const n = Math.max(0, Math.min(e.end + 1, panel.completeUntil) - Math.max(FROM, e.start + 7))
      entityDays += n
      cleanDays += n
      const days = [...new Set(found.filter((f) => f.entity === i && f.day >= FROM).map((f) => f.day))].sort(
        (a, b) => a - b,
      )
      let episode: number[] = []
      const close = (): void => {
        if (episode.length === 0) return
        const matches = account.labels.some(
          (l) => related(i, l) && episode.some((d) => d >= l.start && d <= Math.min(l.end, l.start + 10) + 1),
        )
        if (matches) trueEpisodes++
        else {
          falseEpisodes++
          cleanFalse++
          const first = found.filter((f) => f.entity === i && f.day === episode[0])
          for (const f of first.slice(0, 1)) {
            const k = `${e.level} ${f.figure} ${f.deviate > 0 ? '+' : '-'} w${f.window}`
            falseBy.set(k, (falseBy.get(k) ?? 0) + 1)
          }
          if (process.argv[6] === 'v')
            console.log(
              clean,
              account.id,
              e.level,
              e.id,
              episode.join(','),
              first.map((f) => `${f.figure} ${f.deviate.toFixed(1)} w${f.window}`).join(' '),
              'start',
              e.start,
              account.changes
                .filter((c) => e.id.startsWith(c.entityId) || c.entityId.startsWith(e.id))
                .map((c) => `${c.kind}@${c.day}`)
                .join(' '),
              'labels',
              account.labels
                .filter((l) => related(i, l))
                .map((l) => `${l.type}@${l.start}-${l.end}`)
                .join(' '),
            )
        }
        episode = []
      }
      for (const d of days) {
        if (episode.length > 0 && d > episode.at(-1)! + 1) close()
        episode.push(d)
      }
      close()
    })
    for (const l of account.labels) {
      const i = panel.entities.findIndex((e) => e.id === l.entityId && e.level === l.level)
      const hits = found.filter((f) => f.entity === i && f.day >= l.start && f.day <= l.end + 1)
      const zero = l.type === 'zero_spend'
      const s = stat.get(l.type) ?? { n: 0, found: 0, delay: 0, clear: 0, clearFound: 0, fit: 0 }
      s.n++
      const hit = hits.length > 0 || zero
      if (hit) {
        s.found++
        s.delay += (zero ? l.start : Math.min(...hits.map((h) => h.day))) - l.start
      }
      if (
        hits.some((h) => h.figure === l.metric || (h.figure === 'joint' && l.metric === 'multivariate')) ||
        zero
      )
        s.fit++
      if (l.evidence >= 9) {
        s.clear++
        if (hit) s.clearFound++
      }
      stat.set(l.type, s)
    }
  }
  console.log(
    clean ? 'clean' : 'with faults',
    'false per entity-month',
    ((cleanFalse / cleanDays) * 30).toFixed(4),
    'entity-days',
    cleanDays,
  )
}
console.log(
  'precision',
  (trueEpisodes / (trueEpisodes + falseEpisodes)).toFixed(3),
  'true',
  trueEpisodes,
  'false',
  falseEpisodes,
)
console.log(
  [...falseBy]
    .sort((a, b) => b[1] - a[1])
    .slice(0, 14)
    .map(([k, v]) => `${k}: ${v}`)
    .join('; '),
)
for (const [k, s] of stat)
  console.log(
    k.padEnd(15),
    `n ${s.n} found ${s.found} fit ${s.fit} clear ${s.clearFound}/${s.clear} delay ${(s.delay / Math.max(1, s.found)).toFixed(2)}`,
  )
