import { defaultShiftParams, findShifts } from '../../ml/shifts/judge.ts'
import { toPanel } from './panel.ts'
import { simulateAccount } from './simulate.ts'

const zLeads = Number(process.argv[2] ?? defaultShiftParams.leadsThreshold)
for (const rise of [
  [1.5, 1.75],
  [1.75, 2.5],
  [2.5, 4],
] as const) {
  let n = 0,
    found = 0,
    delay = 0,
    fit = 0,
    clear = 0,
    clearFound = 0
  const delays: number[] = []
  for (let index = 0; index < 40; index++) {
    const account = simulateAccount({
      seed: 77,
      index,
      days: 120,
      weekdayAmplitude: 0.2,
      leadsPerAd: 12,
      campaigns: 3,
      faults: 6,
      partialEnd: true,
      types: ['cvr_drop'],
      cplRise: rise,
      faultLevel: 'ad',
    })
    const panel = toPanel(account, true)
    const all = findShifts(panel, { ...defaultShiftParams, leadsThreshold: zLeads })
    for (const l of account.labels) {
      const i = panel.entities.findIndex((e) => e.id === l.entityId && e.level === l.level)
      const e = panel.entities[i]!
      let leads = 0
      for (let t = l.start - 14; t < l.start; t++) leads += e.leads[t]! / 14
      if (leads < 9 || leads > 16) continue
      n++
      const hits = all.filter((f) => f.entity === i && f.day >= l.start && f.day <= l.end + 1)
      if (l.evidence >= 9) clear++
      if (hits.length > 0) {
        found++
        const d = Math.min(...hits.map((h) => h.day)) - l.start
        delay += d
        delays.push(d)
        if (l.evidence >= 9) clearFound++
      }
      if (hits.some((h) => h.figure === 'cpl')) fit++
    }
  }
  console.log(
    `rise ${rise.join('-')}: n ${n} found ${(found / n).toFixed(2)} fit ${(fit / n).toFixed(2)} clear ${clearFound}/${clear} mean delay ${(delay / found).toFixed(2)}`,
  )
}
