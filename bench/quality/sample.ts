import { readFileSync } from 'node:fs'
import { defaultShiftParams, findShifts } from '../../ml/shifts/judge.ts'
import { toPanel } from './panel.ts'
import type { Account, SimulatedAd } from './simulate.ts'

const [, , folder = '', z = '4.1'] = process.argv
const lines = readFileSync(`${folder}/meta_export_en.csv`, 'utf8')
  .trim()
  .split('\n')
  .slice(1)
  .map((l) => l.split(','))
const D0 = Date.parse('2026-01-05')
const dayOf = (d: string): number => Math.round((Date.parse(d) - D0) / 86400000)
const days = 120
const ads = new Map<string, SimulatedAd>()
for (const c of lines) {
  const id = c[6]!
  let ad = ads.get(id)
  if (!ad) {
    ad = {
      campaignId: c[4]!,
      adsetId: c[5]!,
      adId: id,
      start: 999,
      end: 0,
      spend: new Float64Array(days),
      impressions: new Float64Array(days),
      clicks: new Float64Array(days),
      leads: new Float64Array(days),
      reach: new Float64Array(days),
    }
    ads.set(id, ad)
  }
  const t = dayOf(c[3]!)
  const w = ad as { start: number; end: number } & SimulatedAd
  w.start = Math.min(w.start, t)
  w.end = Math.max(w.end, t)
  ad.spend[t] = Number(c[8])
  ad.impressions[t] = Number(c[9])
  ad.reach[t] = Number(c[10])
  ad.clicks[t] = Number(c[13])
  ad.leads[t] = Number(c[17] || 0)
}
const changes = readFileSync(`${folder}/changes.csv`, 'utf8')
  .trim()
  .split('\n')
  .slice(1)
  .map((l) => l.split(','))
  .map((c) => ({ entityId: c[1]!, kind: c[2] as 'budget', day: dayOf(c[3]!), factor: Number(c[4]) }))
const holidays = readFileSync(`${folder}/holidays.csv`, 'utf8')
  .trim()
  .split('\n')
  .slice(1)
  .map((l) => l.split(','))
  .map((c) => ({ day: dayOf(c[1]!), days: Number(c[2]) }))
const account: Account = { id: 'act_1', days, ads: [...ads.values()], changes, holidays, labels: [] }
const panel = toPanel(account, true)
for (const f of findShifts(panel, { ...defaultShiftParams, threshold: Number(z) })) {
  const e = panel.entities[f.entity]!
  if (f.day < 20) continue
  console.log(f.day, e.level, e.id, f.figure, f.deviate.toFixed(1), `w${f.window}`)
}
